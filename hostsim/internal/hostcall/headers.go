package hostcall

import (
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// liveMap returns the header map that a host call may change, or nil.
func liveMap(v *guest.VM, kind uint32) *header.Map {
	if f := v.Effective().Filter; f != nil {
		return f.LiveMap(kind)
	}
	return nil
}

// readableMap returns the header map that a host call may read, or nil: that of a callout
// during its callback, or that of the stream.
func readableMap(v *guest.VM, kind uint32) *header.Map {
	c := v.Effective()
	callouts := c.Root.Callouts
	if kind == abi.CalloutHeaders || kind == abi.CalloutTrailers {
		return callouts.Response.Map(kind)
	}
	if g := callouts.Event; g != nil && kind == abi.GRPCInitialMetadata {
		return g.Initial
	} else if g != nil && kind == abi.GRPCTrailingMetadata {
		return g.Trailing
	}
	if c.Filter == nil {
		return nil
	}
	return c.Filter.ReadableMap(kind)
}

// changedMap makes a stream whose request headers were changed select its route again.
func changedMap(v *guest.VM, kind uint32) {
	if kind == abi.RequestHeaders {
		v.Effective().Filter.ClearRoute()
	}
}

func getHeaderValue(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	name, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := readableMap(v, kind)
	if m == nil {
		if f := v.Effective().Filter; f != nil && f.Logging() {
			return abi.NotFound
		}
		return abi.BadArgument
	}
	value, found := m.Get(strings.ToLower(name))
	if !found {
		return abi.NotFound
	}
	return v.Return(value, a[3], a[4])
}

// changeHeader returns a host call that changes one header of a live map.
func changeHeader(change func(m *header.Map, name, value string)) func(*guest.VM, []uint64) abi.Status {
	return func(v *guest.VM, a []uint64) abi.Status {
		kind := uint32(a[0])
		if kind > abi.LastMap {
			return abi.BadArgument
		}
		name, foundName := v.Memory.Text(a[1], a[2])
		value, foundValue := v.Memory.Text(a[3], a[4])
		if !foundName || !foundValue {
			return abi.InvalidMemoryAccess
		}
		m := liveMap(v, kind)
		if m == nil {
			return abi.BadArgument
		}
		change(m, strings.ToLower(name), value)
		changedMap(v, kind)
		return abi.OK
	}
}

func removeHeader(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	name, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := liveMap(v, kind)
	if m == nil {
		return abi.BadArgument
	}
	m.Remove(strings.ToLower(name))
	changedMap(v, kind)
	return abi.OK
}

// getHeaderPairs returns OK and an empty list for a map that the guest may not read.
func getHeaderPairs(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	var b []byte
	if m := readableMap(v, kind); m != nil {
		b = abi.MarshalPairs(m.Pairs)
	}
	return v.Return(string(b), a[1], a[2])
}

func setHeaderPairs(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	b, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := liveMap(v, kind)
	if m == nil {
		return abi.BadArgument
	}
	m.ReplaceAll(abi.UnmarshalPairs([]byte(b)))
	changedMap(v, kind)
	return abi.OK
}

func getHeaderSize(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	m := liveMap(v, kind)
	if m == nil {
		return abi.BadArgument
	}
	return written(v.Memory.PutUint32(a[1], uint32(m.ByteSize())))
}
