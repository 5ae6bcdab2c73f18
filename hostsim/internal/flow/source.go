package flow

import (
	"io"
	"sync"

	"cloakroom/hostsim/internal/header"
)

// Source reads the body and the trailers of a message into a direction.
type Source struct {
	Into     *Direction
	From     io.Reader
	Trailers func() *header.Map // called after the end; returns nil without trailers
	Count    *int64             // the bytes read are added to it, unless it is nil
}

// buffers are the buffers that sources read into.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 64<<10)
	return &b
}}

// Pump reads to the end. It waits while the first filter pauses at the headers, and while the
// next hop is slow. It returns the error of the reader.
func (s *Source) Pump() error {
	signal := s.Into.Out.signal
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buf := *pooled
	for {
		if !s.mayRead(signal) {
			return nil
		}
		n, err := s.From.Read(buf)
		over := false
		signal.Do(func() {
			if s.Count != nil {
				*s.Count += int64(n)
			}
			if n > 0 {
				s.Into.Data(append([]byte(nil), buf[:n]...), false)
			}
			if err == io.EOF {
				s.finish()
			}
			over = s.Into.aborted
		})
		if over || err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// mayRead waits until the direction accepts more. It returns false if it was aborted.
func (s *Source) mayRead(signal *Signal) (may bool) {
	signal.Do(func() {
		for !s.Into.aborted && s.Into.full() {
			signal.Wait()
		}
		may = !s.Into.aborted
	})
	return may
}

// finish passes the end of the message: trailers, or an empty last chunk.
func (s *Source) finish() {
	if m := s.Trailers(); m != nil {
		s.Into.Trailer(m)
		return
	}
	s.Into.Data(nil, true)
}
