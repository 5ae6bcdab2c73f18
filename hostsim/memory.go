package hostsim

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
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
