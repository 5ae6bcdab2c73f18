package hostcall

import (
	"slices"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/foreign"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/protobuf"
)

// streamFunctions are the foreign functions that work on the stream of the callback, by
// Envoy's name (source/extensions/common/wasm/foreign.cc). They ignore the effective
// context.
var streamFunctions = map[string]func(f guest.Filter, argument string) abi.Status{
	"clear_route_cache":      clearRouteCache,
	"set_envoy_filter_state": setFilterState,
}

func callForeignFunction(v *guest.VM, a []uint64) abi.Status {
	name, foundName := v.Memory.Text(a[0], a[1])
	argument, foundArgument := v.Memory.Text(a[2], a[3])
	if !foundName || !foundArgument {
		return abi.InvalidMemoryAccess
	}
	if function := streamFunctions[name]; function != nil {
		if st := function(v.Current.Filter, argument); st != abi.OK {
			return st
		}
		return v.Return("", a[4], a[5])
	}
	function := foreign.Functions[name]
	if function == nil {
		return abi.NotFound
	}
	result, st := function(argument)
	if st != abi.OK {
		return st
	}
	return v.Return(result, a[4], a[5])
}

// clearRouteCache makes the stream select its route again.
func clearRouteCache(f guest.Filter, _ string) abi.Status {
	if f != nil {
		f.ClearRoute()
	}
	return abi.OK
}

// settable are the names of filter state that Envoy can create from text.
var settable = []string{
	"envoy.tcp_proxy.cluster", "envoy.network.upstream_server_name", "envoy.network.upstream_subject_alt_names",
	"envoy.network.application_protocols", "envoy.string",
}

// setFilterState takes SetEnvoyFilterStateArguments {path = 1, value = 2, span = 3}.
func setFilterState(f guest.Filter, argument string) abi.Status {
	fields, valid := protobuf.LengthDelimited(argument)
	switch {
	case !valid:
		return abi.BadArgument
	case f == nil || !slices.Contains(settable, string(fields[1])):
		return abi.NotFound
	}
	f.SetState(string(fields[1]), string(fields[2]))
	return abi.OK
}
