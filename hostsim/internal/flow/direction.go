package flow

import "cloakroom/hostsim/internal/header"

// highWatermark is how many bytes may wait for the next hop before the source is no longer
// read.
const highWatermark = 64 << 10

// Direction passes the request or the response of a stream through its filters. Its methods
// need the stream's lock, except those of Out which take it.
type Direction struct {
	state
	Out Pipe // past all filters

	first  Sink
	stages []*Stage // the first filter in the order of passage is the last

	endAtHeaders bool // there is no body
	ended        bool // the source has passed everything
}

// InitRequest prepares d for a request. begin is called when the headers have passed all
// filters.
func (d *Direction) InitRequest(s *Signal, begin func()) {
	d.Out = Pipe{signal: s, state: &d.state, begin: begin, request: true}
	d.first = &d.Out
}

// InitResponse prepares d for a response. begin is called when the headers have passed all
// filters.
func (d *Direction) InitResponse(s *Signal, begin func()) {
	d.Out = Pipe{signal: s, state: &d.state, begin: begin}
	d.first = &d.Out
}

// Prepend adds a filter before all others.
func (d *Direction) Prepend(h *Stage) {
	h.signal, h.state, h.next = d.Out.signal, &d.state, d.first
	d.first = h
	d.stages = append(d.stages, h)
}

// Headers passes the headers of the message to the first filter.
func (d *Direction) Headers(m *header.Map, end bool) {
	d.endAtHeaders, d.ended = end, end
	d.first.Headers(m, end)
}

// Data passes bytes of the body.
func (d *Direction) Data(chunk []byte, end bool) {
	if d.aborted {
		return
	}
	d.ended = end
	d.first.Data(chunk, end)
}

// Trailer passes the trailers.
func (d *Direction) Trailer(m *header.Map) {
	if d.aborted {
		return
	}
	d.ended = true
	d.first.Trailer(m)
}

// EndAtHeaders reports whether the message has no body.
func (d *Direction) EndAtHeaders() bool { return d.endAtHeaders }

// Ended reports whether the whole message has been passed.
func (d *Direction) Ended() bool { return d.ended }

// Aborted reports whether Abort was called.
func (d *Direction) Aborted() bool { return d.aborted }

// full reports whether the source must not be read: the first filter has paused at the
// headers, or too much waits already, for a later filter or for the next hop.
func (d *Direction) full() bool {
	if n := len(d.stages); n > 0 && d.stages[n-1].stoppedAll {
		return true
	}
	pending := len(d.Out.bytes)
	for _, h := range d.stages {
		pending += len(h.waiting.body)
	}
	return pending > highWatermark
}

// Abort ends the direction for the filters and drops what they hold. What has passed them
// remains in Out.
func (d *Direction) Abort() {
	d.aborted = true
	for _, h := range d.stages {
		h.drop()
	}
}
