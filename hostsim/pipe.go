package hostsim

import "cloakroom/hostsim/internal/header"

// pipe is a direction's end: what has passed all filters waits in it for the next
// hop, which takes it without the worker's lock.
type pipe struct {
	s        *stream
	d        *direction
	begin    func() // takes the headers over the filters' border
	bytes    []byte
	end      bool // nothing follows
	trailers *header.Map
}

func (p *pipe) headers(_ *header.Map, end bool) {
	p.end = end
	p.begin()
}

func (p *pipe) data(chunk []byte, end bool) {
	p.bytes = append(p.bytes, chunk...)
	p.end = end
	p.s.wake()
}

func (p *pipe) trailer(m *header.Map) {
	p.trailers, p.end = m, true
	p.s.wake()
}

// take waits for bytes. end is true when nothing follows them; cut is true when
// the stream broke.
func (p *pipe) take() (b []byte, end, cut bool) {
	w := p.s.worker
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for len(p.bytes) == 0 && !p.end && !p.s.reset && !p.s.ended && !(p.d.aborted && p.d == &p.s.dec) {
		p.s.changed.Wait()
	}
	b, p.bytes = p.bytes, nil
	p.s.wake()
	return b, p.end, len(b) == 0 && !p.end
}

// drained reports whether the next hop has taken everything.
func (p *pipe) drained() bool {
	p.s.worker.Mu.Lock()
	defer p.s.worker.Mu.Unlock()
	return len(p.bytes) == 0
}
