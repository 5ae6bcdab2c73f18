package guest

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

// memory is the guest's linear memory with the checks that the ABI asks for:
// nothing out of bounds is read or written, the call answers InvalidMemoryAccess.
type memory struct{ api.Memory }

// Text copies a string out of the guest. A length of zero is the empty string
// wherever it points.
func (m memory) Text(address, size uint64) (string, bool) {
	b, found := m.Read(uint32(address), uint32(size))
	return string(b), found
}

// PutUint32 writes a 32-bit number.
func (m memory) PutUint32(address uint64, value uint32) bool {
	return m.WriteUint32Le(uint32(address), value)
}

// PutUint64 writes a 64-bit number.
func (m memory) PutUint64(address uint64, value uint64) bool {
	return m.WriteUint64Le(uint32(address), value)
}

// Iovecs gathers the bytes that a WASI ciovec array points at.
func (m memory) Iovecs(address, count uint64) ([]byte, bool) {
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
