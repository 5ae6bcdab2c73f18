package guest

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

// memory is the linear memory of a guest. Its methods report false, and neither read nor
// write, if an address is out of bounds.
type memory struct{ api.Memory }

// Text returns a copy of a string. If size is zero, address may be out of bounds.
func (m memory) Text(address, size uint64) (text string, found bool) {
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

// Iovecs returns the concatenated bytes of an array of count WASI ciovecs.
func (m memory) Iovecs(address, count uint64) (bytes []byte, found bool) {
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
