package guest

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
)

// Return copies value into memory that the guest allocates, and writes its address and size
// to the addresses that the guest passed. It allocates nothing for an empty value.
func (v *VM) Return(value string, addressAt, sizeAt uint64) abi.Status {
	address := uint32(0)
	if value != "" {
		var found bool
		if address, found = v.allocate(uint32(len(value))); !found {
			return abi.InvalidMemoryAccess
		}
		if !v.Memory.WriteString(address, value) {
			return abi.InvalidMemoryAccess
		}
	}
	if !v.Memory.PutUint32(addressAt, address) || !v.Memory.PutUint32(sizeAt, uint32(len(value))) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

// allocate calls the guest's allocator, which may make only the host calls that are allowed
// at the start.
func (v *VM) allocate(size uint32) (address uint32, found bool) {
	before := v.restricted
	v.restricted = true
	defer func() { v.restricted = before }()
	if f := v.Runtime.Faults.Load().Next(fault.OnAllocate); f != nil {
		if f.Do == fault.Trap {
			panic(fault.ErrTrap)
		}
		return 0, false
	}
	stack := [1]uint64{uint64(size)}
	if err := v.Exports.allocate.CallWithStack(v.ctx, stack[:]); err != nil {
		v.fail(err)
		return 0, false
	}
	return uint32(stack[0]), uint32(stack[0]) != 0
}
