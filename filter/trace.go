package filter

import "cloakroom/api"

// traceLengths are the lengths of the header values that Stream.Trace is made of.
type traceLengths struct{ id, parent uint8 }

// keepTrace copies the header values that Stream.Trace is made of. It allocates nothing: most
// requests make no callout.
func (s *Stream) keepTrace(h Headers) {
	s.traced = traceLengths{}
	for i := range h {
		switch field := &h[i]; field[0] {
		case api.RequestIDHeader:
			if s.traced.id == 0 && len(field[1]) <= len(s.buffers.trace) {
				s.traced.id = uint8(copy(s.buffers.trace[:], field[1]))
			}
		case api.TraceParentHeader:
			if s.traced.parent == 0 && len(field[1]) <= len(s.buffers.parent) {
				s.traced.parent = uint8(copy(s.buffers.parent[:], field[1]))
			}
		}
	}
}

// Trace returns what identifies the stream's request in logs.
func (s *Stream) Trace() api.Trace {
	return api.NewTrace(string(s.buffers.trace[:s.traced.id]), string(s.buffers.parent[:s.traced.parent]))
}
