package upstreamgo

import "unsafe"

// handouts holds the memory that the host has asked for and that no host call has claimed yet.
//
// The host allocates in the module while it serves a host call, writes the answer there and names its address. Between
// these moments no Go pointer leads to the memory, so this table keeps it from the garbage collector.
type handouts struct {
	buffers [][]byte
}

// allocate returns size bytes that stay reachable until they are claimed or dropped. The pointer is never nil, since
// hosts take nil for a failed allocation.
func (h *handouts) allocate(size int) *byte {
	buffer := make([]byte, max(size, 1))
	h.buffers = append(h.buffers, buffer)
	return unsafe.SliceData(buffer)
}

// claim ends a host call that returned data: it gives the size bytes at the address to the caller and drops everything
// else, which is left over from calls that failed half-way. An empty answer is nil. It reports false where the host
// names memory that it was not given.
func (h *handouts) claim(address uintptr, size int) ([]byte, bool) {
	defer h.drop()
	if size == 0 {
		return nil, true
	}
	for _, buffer := range h.buffers {
		if uintptr(unsafe.Pointer(unsafe.SliceData(buffer))) == address && 0 < size && size <= len(buffer) {
			return buffer[:size:size], true
		}
	}
	return nil, false
}

// drop forgets all unclaimed memory.
func (h *handouts) drop() {
	clear(h.buffers)
	h.buffers = h.buffers[:0]
}
