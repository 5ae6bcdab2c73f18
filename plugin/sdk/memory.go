package upstreamgo

import "unsafe"

// handouts holds the memory that the host has allocated and that no host call has claimed yet.
//
// The host allocates in the module while it serves a host call, writes the result there and
// returns its address. Until the claim no Go pointer refers to the memory, so this table keeps it
// from the garbage collector.
type handouts struct {
	buffers [][]byte
	reuse   *[]byte // the buffer for the next result; nil: new memory
	reused  []byte  // the part of it that the host was given
}

var handedOut handouts

// maxReused bounds the size of buffers that are kept for reuse; a larger result gets new memory.
const maxReused = 64 << 10

// reuseBuffer sets the buffer for the next result, which overwrites the previous one in it.
func (h *handouts) reuseBuffer(memory *[]byte) { h.reuse = memory }

// allocate returns size bytes that stay reachable until they are claimed or dropped. The pointer
// is never nil, which hosts take for a failed allocation.
func (h *handouts) allocate(size int) *byte {
	size = max(size, 1)
	if buffer := h.reuse; buffer != nil && size <= maxReused {
		h.reuse = nil // for one result
		if cap(*buffer) < size {
			*buffer = make([]byte, size, max(2*size, 1<<10))
		}
		h.reused = (*buffer)[:size]
		return unsafe.SliceData(h.reused)
	}
	buffer := make([]byte, size)
	h.buffers = append(h.buffers, buffer)
	return unsafe.SliceData(buffer)
}

// claim ends a host call that returned data: it returns the size bytes at the address and drops
// all other memory, which is left over from calls that failed half-way. An empty result is nil. It
// returns false if the host was not given that memory.
func (h *handouts) claim(address uintptr, size int) ([]byte, bool) {
	claimed := part(h.reused, address, size)
	for i := 0; i < len(h.buffers) && claimed == nil; i++ {
		claimed = part(h.buffers[i], address, size)
	}
	h.drop()
	return claimed, claimed != nil || size == 0
}

// part returns the first size bytes of a buffer at the address, or nil.
func part(buffer []byte, address uintptr, size int) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(buffer))) != address || size <= 0 || size > len(buffer) {
		return nil
	}
	return buffer[:size:size]
}

// drop drops all unclaimed memory.
func (h *handouts) drop() {
	h.reuse, h.reused = nil, nil
	if len(h.buffers) > 0 {
		clear(h.buffers)
		h.buffers = h.buffers[:0]
	}
}
