package flow

import "cloakroom/hostsim/internal/header"

// Pipe is the end of a direction: what has passed all filters waits in it for the next hop.
type Pipe struct {
	signal  *Signal
	state   *state
	begin   func() // called when the headers have passed all filters
	request bool   // a local reply ends the pipe of a request

	bytes    []byte
	end      bool // nothing follows
	trailers *header.Map
}

// Headers implements Sink.
func (p *Pipe) Headers(_ *header.Map, end bool) {
	p.end = end
	p.begin()
}

// Data implements Sink.
func (p *Pipe) Data(chunk []byte, end bool) {
	p.bytes = append(p.bytes, chunk...)
	p.end = end
	p.signal.Wake()
}

// Trailer implements Sink.
func (p *Pipe) Trailer(m *header.Map) {
	p.trailers, p.end = m, true
	p.signal.Wake()
}

// Replace replaces what waits in the pipe by a whole body. The lock must be held.
func (p *Pipe) Replace(body []byte) { p.bytes, p.trailers, p.end = body, nil, true }

// Unread puts bytes back that were taken. The lock must be held.
func (p *Pipe) Unread(b []byte) { p.bytes = append(b, p.bytes...) }

// Take waits for bytes and returns all of them. end reports that nothing follows them, cut
// that the stream was reset before its end.
func (p *Pipe) Take() (b []byte, end, cut bool) {
	p.signal.Do(func() {
		for len(p.bytes) == 0 && !p.end && !p.signal.over && !(p.request && p.state.aborted) {
			p.signal.Wait()
		}
		b, p.bytes = p.bytes, nil
		p.signal.Wake()
		end, cut = p.end, len(b) == 0 && !p.end
	})
	return b, end, cut
}

// Drained reports whether the next hop has taken everything.
func (p *Pipe) Drained() bool {
	n, _ := p.Pending()
	return n == 0
}

// Pending returns the number of bytes in the pipe. complete reports that no more follow.
func (p *Pipe) Pending() (n int, complete bool) {
	p.signal.Do(func() { n, complete = len(p.bytes), p.end })
	return n, complete
}

// Trailers returns the trailers that have passed, or nil.
func (p *Pipe) Trailers() *header.Map { return p.trailers }
