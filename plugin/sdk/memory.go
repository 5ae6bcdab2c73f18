package upstreamgo

import "unsafe"

// handouts holds the memory that the host has asked for and that no host call has claimed yet.
//
// The host allocates in the module while it serves a host call, writes the answer there and names its address. Between
// these moments no Go pointer leads to the memory, so this table keeps it from the garbage collector.
type handouts struct {
	buffers [][]byte
	lent    *[]byte // where the next answer goes; nil: to memory of its own
	inLent  []byte  // what the host was given of that
}

var handedOut handouts

// maxLent bounds what is kept for answers to come; a larger answer has memory of its own.
const maxLent = 64 << 10

// lend has the next answer written where the last one was that the same memory was lent for.
func (h *handouts) lend(memory *[]byte) { h.lent = memory }

// allocate returns size bytes that stay reachable until they are claimed or dropped. The pointer is never nil, since
// hosts take nil for a failed allocation.
func (h *handouts) allocate(size int) *byte {
	size = max(size, 1)
	if lent := h.lent; lent != nil && size <= maxLent {
		h.lent = nil // for one answer
		if cap(*lent) < size {
			*lent = make([]byte, size, max(2*size, 1<<10))
		}
		h.inLent = (*lent)[:size]
		return unsafe.SliceData(h.inLent)
	}
	buffer := make([]byte, size)
	h.buffers = append(h.buffers, buffer)
	return unsafe.SliceData(buffer)
}

// claim ends a host call that returned data: it gives the size bytes at the address to the caller and drops everything
// else, which is left over from calls that failed half-way. An empty answer is nil. It reports false where the host
// names memory that it was not given.
func (h *handouts) claim(address uintptr, size int) ([]byte, bool) {
	claimed := part(h.inLent, address, size)
	for i := 0; i < len(h.buffers) && claimed == nil; i++ {
		claimed = part(h.buffers[i], address, size)
	}
	h.drop()
	return claimed, claimed != nil || size == 0
}

// part gives the first size bytes of a buffer at the address, or nil.
func part(buffer []byte, address uintptr, size int) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(buffer))) != address || size <= 0 || size > len(buffer) {
		return nil
	}
	return buffer[:size:size]
}

// drop forgets all unclaimed memory.
func (h *handouts) drop() {
	h.lent, h.inLent = nil, nil
	if len(h.buffers) > 0 {
		clear(h.buffers)
		h.buffers = h.buffers[:0]
	}
}
