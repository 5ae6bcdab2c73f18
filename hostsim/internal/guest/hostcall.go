package guest

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
)

// HostCall is a function that guests may import.
type HostCall struct {
	Shape   Shape
	AtStart bool // allowed in _initialize and while the guest allocates
	Void    bool // without a result
	Func    func(v *VM, args []uint64) uint32
}

// ProxyCall returns the HostCall of a function that returns a status.
func ProxyCall(s Shape, fn func(v *VM, a []uint64) abi.Status) HostCall {
	return HostCall{Shape: s, Func: func(v *VM, a []uint64) uint32 { return uint32(fn(v, a)) }}
}

// vmKey is the key of the VM in the context of a call.
type vmKey struct{}

// goFunction returns the function for wazero. It traps if the guest may not make the call
// now.
func (h HostCall) goFunction(name string) api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		v := ctx.Value(vmKey{}).(*VM)
		if v.restricted && !h.AtStart {
			panic(fmt.Errorf("%s called in a restricted callback (the start, or an allocation)", name))
		}
		var result uint32
		if v.Runtime.Faults.Load() == nil && v.Runtime.Trace == nil {
			result = h.Func(v, stack)
		} else {
			result = h.observed(v, name, stack)
		}
		if !h.Void {
			stack[0] = uint64(result)
		}
	}
}

// observed is Func with a line in the trace. A fault that happens replaces the call.
func (h HostCall) observed(v *VM, name string, stack []uint64) (result uint32) {
	args := slices.Clone(stack)
	rendered := v.trace.arguments(v.Memory, h.Shape, args)
	if f := v.Runtime.Faults.Load().Next(name); f == nil {
		result = h.Func(v, stack)
	} else if f.Do == fault.Trap {
		panic(fault.ErrTrap)
	} else {
		result = uint32(abi.StatusNamed(f.Do))
	}
	v.trace.hostCall(v.Memory, h.Shape, name, rendered, args, abi.Status(result))
	return result
}

// Signature returns the WebAssembly type of the call.
func (h HostCall) Signature() (params, results []api.ValueType) {
	if !h.Void {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return h.Shape.params(), results
}
