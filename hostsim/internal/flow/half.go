package flow

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// Filter is the callbacks of one filter in one direction. Each returns the action that the
// guest returned; proceed is false if the stream was answered because the guest's VM has
// failed.
type Filter interface {
	// Begun reports whether the filter has seen the request's headers. One that has not,
	// because a filter before it answered, does not see the response either.
	Begun() bool
	OnHeaders(count int, end bool) (action uint32, proceed bool)
	OnBody(size int, end bool) (action uint32, proceed bool)
	OnTrailers(count int) (action uint32, proceed bool)
	// TooLarge answers the stream because the filter holds more than the buffer limit.
	TooLarge()
}

// Half is one direction of a stream at one filter. Its methods need the stream's lock.
type Half struct {
	filter Filter
	limit  int // bytes that may be held

	signal *Signal
	state  *state
	next   Sink

	headers       *header.Map // nil until they arrive
	live          *header.Map // the headers, while host calls may change them
	trailers      *header.Map
	shownTrailers *header.Map // the trailers, while host calls may use them
	body          *[]byte     // what host calls use as the body

	held         []byte  // of a body that the filter has paused
	buffering    bool    // the last action was StopAndBuffer
	stoppedAll   bool    // paused at the headers
	stoppedBody  bool    // paused at the body or the trailers
	forwarded    bool    // the headers were passed on
	endAtHeaders bool    // there is no body
	ended        bool    // nothing follows
	waiting      waiting // what arrived while the headers were paused
}

// waiting is what follows headers that are paused.
type waiting struct {
	body     []byte
	end      bool
	trailers *header.Map
}

// Init sets the filter, and how many bytes of a paused body it may hold.
func (h *Half) Init(f Filter, limit int) { h.filter, h.limit = f, limit }

// Headers runs the headers callback. A filter that has not seen the request, as it
// is when one before it answered, does not see the response either.
func (h *Half) Headers(m *header.Map, end bool) {
	h.headers, h.ended, h.endAtHeaders = m, end, end
	if !h.filter.Begun() {
		h.pass()
		return
	}
	h.live = m
	action, proceed := h.filter.OnHeaders(len(m.Pairs), end)
	if !proceed || h.state.aborted {
		return
	}
	if action != abi.Continue {
		h.stoppedAll = true
		return
	}
	h.live = nil
	h.pass()
}

// pass lets the headers go on, once.
func (h *Half) pass() {
	if h.forwarded {
		return
	}
	h.forwarded = true
	h.next.Headers(h.headers, h.endAtHeaders)
}

// Data runs the body callback on a chunk, or on all that is held with the chunk.
func (h *Half) Data(chunk []byte, end bool) {
	if h.state.aborted {
		return
	}
	if h.stoppedAll {
		h.waiting.body, h.waiting.end = append(h.waiting.body, chunk...), end
		return
	}
	h.ended = end
	if !h.filter.Begun() {
		h.next.Data(chunk, end)
		return
	}
	wasBuffering := h.buffering
	h.body = &chunk
	if wasBuffering {
		if !h.hold(chunk) {
			return
		}
		h.body = &h.held
	}
	action, proceed := h.filter.OnBody(len(*h.body), end)
	h.buffering = false
	if !proceed || h.state.aborted {
		return
	}
	if action == abi.Continue {
		if !wasBuffering {
			h.held = append(h.held, chunk...)
		}
		h.body = nil
		h.release()
		return
	}
	h.stoppedBody = true
	if action == abi.StopAndBuffer || action == abi.StopAndWatermark {
		if !wasBuffering && !h.hold(chunk) {
			return
		}
		h.buffering = action == abi.StopAndBuffer
		h.body = &h.held
	}
}

// hold keeps a chunk back. It answers false when that was too much.
func (h *Half) hold(chunk []byte) bool {
	h.held = append(h.held, chunk...)
	if len(h.held) > h.limit {
		h.filter.TooLarge()
		return false
	}
	return true
}

// release lets go on what is held, and the end of the stream with it.
func (h *Half) release() {
	h.stoppedBody = false
	held := h.held
	h.held = nil
	switch {
	case h.ended && h.trailers != nil:
		if len(held) > 0 {
			h.next.Data(held, false)
		}
		if !h.state.aborted {
			h.next.Trailer(h.trailers)
		}
	case h.ended || len(held) > 0:
		h.next.Data(held, h.ended)
	}
}

// Trailer runs the trailers callback.
func (h *Half) Trailer(m *header.Map) {
	if h.state.aborted {
		return
	}
	if h.stoppedAll {
		h.waiting.trailers, h.waiting.end = m, true
		return
	}
	h.ended, h.trailers = true, m
	if !h.filter.Begun() {
		h.release()
		return
	}
	h.shownTrailers = m
	action, proceed := h.filter.OnTrailers(len(m.Pairs))
	if !proceed || h.state.aborted {
		return
	}
	if action != abi.Continue {
		h.stoppedBody = true
		return
	}
	h.shownTrailers = nil
	h.release()
}

// liveTrailers gives the trailers to change; in the last body callback of a
// message without trailers it adds them.
func (h *Half) LiveTrailers() *header.Map {
	if h.shownTrailers == nil && h.body != nil && h.ended {
		h.trailers = &header.Map{}
		h.shownTrailers = h.trailers
	}
	return h.shownTrailers
}

// Resume continues after a pause.
func (h *Half) Resume() {
	if h.state.aborted || h.headers == nil {
		return
	}
	h.stoppedAll = false
	h.pass()
	if h.stoppedBody {
		h.release()
	}
	late := h.waiting
	h.waiting = waiting{}
	if len(late.body) > 0 || late.end && late.trailers == nil {
		h.Data(late.body, late.end && late.trailers == nil)
	}
	if late.trailers != nil {
		h.Trailer(late.trailers)
	}
	h.signal.Wake()
}

// Arrived reports whether the headers have arrived.
func (h *Half) Arrived() bool { return h.headers != nil }

// LiveHeaders returns the headers while host calls may change them: in their callback, and
// afterwards while the stream is paused there. Otherwise it returns nil.
func (h *Half) LiveHeaders() *header.Map { return h.live }

// ReadableTrailers returns the trailers while host calls may read them, or nil.
func (h *Half) ReadableTrailers() *header.Map { return h.shownTrailers }

// Body returns the bytes that host calls use as the body, or nil.
func (h *Half) Body() *[]byte { return h.body }

// EndLive ends the use of the headers and trailers by host calls.
func (h *Half) EndLive() { h.live, h.shownTrailers = nil, nil }

// drop drops what the filter holds.
func (h *Half) drop() {
	h.held, h.waiting, h.body = nil, waiting{}, nil
	h.stoppedAll, h.stoppedBody = false, false
}
