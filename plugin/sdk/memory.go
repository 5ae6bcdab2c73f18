package upstreamgo

import "unsafe"

// handouts holds the memory that the host has asked for and that no host call has claimed yet.
//
// The host allocates in the module while it serves a host call, writes the answer there and names its address. Between
// these moments no Go pointer leads to the memory, so this table keeps it from the garbage collector.
type handouts struct {
	buffers [][]byte
	lent    *[]byte // where the next answer goes; nil: to memory of its own
}

var handedOut handouts

// maxLent bounds what is kept for answers to come; a larger answer has memory of its own.
const maxLent = 64 << 10

// lend has the next answer written where the last one was that the same memory was lent for.
func (h *handouts) lend(memory *[]byte) { h.lent = memory }

// allocate returns size bytes that stay reachable until they are claimed or dropped. The pointer is never nil, since
// hosts take nil for a failed allocation.
func (h *handouts) allocate(size int) *byte {
	buffer := h.memory(max(size, 1))
	h.buffers = append(h.buffers, buffer)
	return unsafe.SliceData(buffer)
}

func (h *handouts) memory(size int) []byte {
	lent := h.lent
	h.lent = nil // for one answer
	if lent == nil || size > maxLent {
		return make([]byte, size)
	}
	if cap(*lent) < size {
		*lent = make([]byte, size, max(2*size, 1<<10))
	}
	return (*lent)[:size]
}

// claim ends a host call that returned data: it gives the size bytes at the address to the caller and drops everything
// else, which is left over from calls that failed half-way. An empty answer is nil. It reports false where the host
// names memory that it was not given.
func (h *handouts) claim(address uintptr, size int) ([]byte, bool) {
	var claimed []byte
	for _, buffer := range h.buffers {
		if uintptr(unsafe.Pointer(unsafe.SliceData(buffer))) == address && 0 < size && size <= len(buffer) {
			claimed = buffer[:size:size]
			break
		}
	}
	h.drop()
	return claimed, claimed != nil || size == 0
}

// drop forgets all unclaimed memory.
func (h *handouts) drop() {
	clear(h.buffers)
	h.buffers, h.lent = h.buffers[:0], nil
}
