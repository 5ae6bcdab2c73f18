package hostsim

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
)

// memory is the guest's linear memory with the checks that the ABI asks for:
// nothing out of bounds is read or written, the call answers InvalidMemoryAccess.
type memory struct{ api.Memory }

// text copies a string out of the guest. A length of zero is the empty string
// wherever it points.
func (m memory) text(address, size uint64) (string, bool) {
	b, found := m.Read(uint32(address), uint32(size))
	return string(b), found
}

// put32 writes a 32-bit number.
func (m memory) put32(address uint64, value uint32) bool {
	return m.WriteUint32Le(uint32(address), value)
}

// put64 writes a 64-bit number.
func (m memory) put64(address uint64, value uint64) bool {
	return m.WriteUint64Le(uint32(address), value)
}

// give copies value into memory that the guest allocates, and writes address and
// size where the guest asked for them. An empty value allocates nothing.
func (v *vm) give(value string, addressAt, sizeAt uint64) abi.Status {
	address := uint32(0)
	if value != "" {
		var found bool
		if address, found = v.allocate(uint32(len(value))); !found {
			return abi.InvalidMemoryAccess
		}
		if !v.mem.WriteString(address, value) {
			return abi.InvalidMemoryAccess
		}
	}
	if !v.mem.put32(addressAt, address) || !v.mem.put32(sizeAt, uint32(len(value))) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

// allocate asks the guest for memory. While it runs, the guest may make only the
// few calls of the start.
func (v *vm) allocate(size uint32) (address uint32, found bool) {
	before := v.restricted
	v.restricted = true
	defer func() { v.restricted = before }()
	if f := v.rt.Faults.Load().Next(fault.OnAllocate); f != nil {
		if f.Do == fault.Trap {
			panic(fault.ErrTrap)
		}
		return 0, false
	}
	stack := [1]uint64{uint64(size)}
	if err := v.exports.allocate.CallWithStack(v.ctx, stack[:]); err != nil {
		v.fail(err)
		return 0, false
	}
	return uint32(stack[0]), uint32(stack[0]) != 0
}

// iovecs gathers the bytes that a WASI ciovec array points at.
func (m memory) iovecs(address, count uint64) ([]byte, bool) {
	var out []byte
	for i := range uint32(count) {
		entry, found := m.Read(uint32(address)+8*i, 8)
		if !found {
			return nil, false
		}
		b, found := m.Read(binary.LittleEndian.Uint32(entry), binary.LittleEndian.Uint32(entry[4:]))
		if !found {
			return nil, false
		}
		out = append(out, b...)
	}
	return out, true
}
