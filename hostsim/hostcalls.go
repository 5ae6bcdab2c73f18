package hostsim

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
)

// hostCall is one function that the host offers.
type hostCall struct {
	shape   string // its parameters: see shapes
	atStart bool   // allowed in _initialize and while the guest allocates
	void    bool   // answers nothing
	fn      func(v *vm, a []uint64) uint32
}

// shapes are the letters of a hostCall.shape, and what each passes: i is a number of
// 32 bits, I one of 64. Capital S and P, 4 and 8 are places for results.
var shapes = map[rune]string{
	'n': "i", 'N': "I", // numbers
	'l': "i", 'm': "i", 'b': "i", 't': "i", // a log level, a header map, a buffer, a stream
	's': "ii", 'p': "ii", 'h': "ii", // a string, pairs, a property's path: address and size
	'S': "ii", 'P': "ii", // where to write the address and the size of a string or of pairs
	'4': "i", '8': "i", // where to write a number of 32 or 64 bits
}

// proxyCall makes a hostCall of a function that answers a status.
func proxyCall(shape string, fn func(v *vm, a []uint64) abi.Status) hostCall {
	return hostCall{shape: shape, fn: func(v *vm, a []uint64) uint32 { return uint32(fn(v, a)) }}
}

type vmKey struct{}

// goFunction is the call as wazero wants it: it finds its VM in the context and
// refuses, as a trap, what the guest may not do at this moment.
func (h hostCall) goFunction(name string) api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		v := ctx.Value(vmKey{}).(*vm)
		if v.restricted && !h.atStart {
			panic(fmt.Errorf("%s called in a restricted callback (the start, or an allocation)", name))
		}
		var result uint32
		if v.rt.Faults.Load() == nil && v.rt.Trace == nil {
			result = h.fn(v, stack)
		} else {
			result = h.observed(v, name, stack)
		}
		if !h.void {
			stack[0] = uint64(result)
		}
	}
}

// observed is a call with what tests want besides: a fault in its place, and a line
// about it.
func (h hostCall) observed(v *vm, name string, stack []uint64) (result uint32) {
	args := slices.Clone(stack)
	said := v.sayArguments(h, args)
	if f := v.rt.Faults.Load().Next(name); f == nil {
		result = h.fn(v, stack)
	} else if f.Do == fault.Trap {
		panic(fault.ErrTrap)
	} else {
		result = uint32(abi.StatusNamed(f.Do))
	}
	v.traceCall(h, name, said, args, result)
	return result
}

func (h hostCall) signature() (params, results []api.ValueType) {
	for _, letter := range h.shape {
		for _, c := range shapes[letter] {
			if c == 'I' {
				params = append(params, api.ValueTypeI64)
			} else {
				params = append(params, api.ValueTypeI32)
			}
		}
	}
	if !h.void {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return params, results
}

// instantiateHost offers all host modules in the runtime.
func instantiateHost(ctx context.Context, r wazero.Runtime, modules map[string]map[string]hostCall) error {
	for module, calls := range modules {
		b := r.NewHostModuleBuilder(module)
		for name, call := range calls {
			params, results := call.signature()
			b.NewFunctionBuilder().WithGoModuleFunction(call.goFunction(name), params, results).Export(name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("%w: host module %s: %w", errLoad, module, err)
		}
	}
	return nil
}

// checkImports returns an error for a module that imports what the host does not offer.
func checkImports(m wazero.CompiledModule, modules map[string]map[string]hostCall) error {
	var unknown []string
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		call, found := modules[module][name]
		if !found {
			unknown = append(unknown, module+"."+name)
			continue
		}
		params, results := call.signature()
		if string(params) != string(f.ParamTypes()) || string(results) != string(f.ResultTypes()) {
			unknown = append(unknown, module+"."+name+" (with another signature)")
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return fmt.Errorf("%w: the module imports what the host does not offer: %s", errLoad, strings.Join(unknown, ", "))
	}
	return nil
}

// checkABI finds the version that the module was made for.
func checkABI(m wazero.CompiledModule) error {
	var found []string
	for name := range m.ExportedFunctions() {
		if version, yes := strings.CutPrefix(name, "proxy_abi_version_"); yes {
			found = append(found, strings.ReplaceAll(version, "_", "."))
		}
	}
	sort.Strings(found)
	switch {
	case len(found) == 0:
		return fmt.Errorf("%w: no proxy_abi_version_… export: this is not a proxy-wasm module", errLoad)
	case len(found) == 1 && (found[0] == "0.2.0" || found[0] == "0.2.1"):
		return nil
	}
	return fmt.Errorf("%w: proxy-wasm ABI %s is not supported; 0.2.0 and 0.2.1 are", errLoad, strings.Join(found, " and "))
}
