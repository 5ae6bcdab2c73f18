package hostsim

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
)

// hostCall is one function that the host offers.
type hostCall struct {
	shape   shape
	atStart bool // allowed in _initialize and while the guest allocates
	void    bool // answers nothing
	fn      func(v *vm, a []uint64) uint32
}

// proxyCall makes a hostCall of a function that answers a status.
func proxyCall(s shape, fn func(v *vm, a []uint64) abi.Status) hostCall {
	return hostCall{shape: s, fn: func(v *vm, a []uint64) uint32 { return uint32(fn(v, a)) }}
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

// observed is a call with an injected fault in its place, if one is due, and a line in the
// trace.
func (h hostCall) observed(v *vm, name string, stack []uint64) (result uint32) {
	args := slices.Clone(stack)
	rendered := v.trace.arguments(v.mem, h.shape, args)
	if f := v.rt.Faults.Load().Next(name); f == nil {
		result = h.fn(v, stack)
	} else if f.Do == fault.Trap {
		panic(fault.ErrTrap)
	} else {
		result = uint32(abi.StatusNamed(f.Do))
	}
	v.trace.hostCall(v.mem, h.shape, name, rendered, args, abi.Status(result))
	return result
}

// signature returns the WebAssembly type of the call.
func (h hostCall) signature() (params, results []api.ValueType) {
	if !h.void {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return h.shape.params(), results
}
