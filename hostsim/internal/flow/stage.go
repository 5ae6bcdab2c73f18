package flow

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// Filter is the callbacks of one filter in one direction. They return the action of the
// guest; proceed is false if the guest's VM has failed, and the stream was therefore answered
// by a local reply.
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

// Stage is one filter of a direction. Its methods need the stream's lock.
type Stage struct {
	filter Filter
	limit  int // bytes that may be held

	signal *Signal
	state  *state
	next   Sink

	headers          *header.Map // nil until they arrive
	live             *header.Map // the headers, while host calls may change them
	trailers         *header.Map
	readableTrailers *header.Map // the trailers, while host calls may use them
	body             *[]byte     // what host calls use as the body

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
func (h *Stage) Init(f Filter, limit int) { h.filter, h.limit = f, limit }

// Headers implements Sink: it runs the headers callback, unless the filter has not begun.
func (h *Stage) Headers(m *header.Map, end bool) {
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

// pass passes the headers on, once.
func (h *Stage) pass() {
	if h.forwarded {
		return
	}
	h.forwarded = true
	h.next.Headers(h.headers, h.endAtHeaders)
}

// Data implements Sink: it runs the body callback on a chunk, or on all that is held
// together with the chunk.
func (h *Stage) Data(chunk []byte, end bool) {
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
	if proceed && !h.state.aborted {
		h.afterBody(action, chunk, wasBuffering)
	}
}

// afterBody performs the action of a body callback. isHeld reports that chunk is held already.
func (h *Stage) afterBody(action uint32, chunk []byte, isHeld bool) {
	if action == abi.Continue {
		if !isHeld {
			h.held = append(h.held, chunk...)
		}
		h.body = nil
		h.release()
		return
	}
	h.stoppedBody = true
	if action == abi.StopAndBuffer || action == abi.StopAndWatermark {
		if !isHeld && !h.hold(chunk) {
			return
		}
		h.buffering = action == abi.StopAndBuffer
		h.body = &h.held
	}
}

// hold holds a chunk. It returns false if the filter then holds too much.
func (h *Stage) hold(chunk []byte) bool {
	h.held = append(h.held, chunk...)
	if len(h.held) > h.limit {
		h.filter.TooLarge()
		return false
	}
	return true
}

// release passes on what is held, and the end of the message if that has been reached.
func (h *Stage) release() {
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

// Trailer implements Sink: it runs the trailers callback.
func (h *Stage) Trailer(m *header.Map) {
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
	h.readableTrailers = m
	action, proceed := h.filter.OnTrailers(len(m.Pairs))
	if !proceed || h.state.aborted {
		return
	}
	if action != abi.Continue {
		h.stoppedBody = true
		return
	}
	h.readableTrailers = nil
	h.release()
}

// LiveTrailers returns the trailers while host calls may change them, or nil. In the last
// body callback of a message without trailers it adds them.
func (h *Stage) LiveTrailers() *header.Map {
	if h.readableTrailers == nil && h.body != nil && h.ended {
		h.trailers = &header.Map{}
		h.readableTrailers = h.trailers
	}
	return h.readableTrailers
}

// Resume continues after a pause.
func (h *Stage) Resume() {
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
func (h *Stage) Arrived() bool { return h.headers != nil }

// LiveHeaders returns the headers while host calls may change them: in their callback, and
// afterwards while the stream is paused there. Otherwise it returns nil.
func (h *Stage) LiveHeaders() *header.Map { return h.live }

// ReadableTrailers returns the trailers while host calls may read them, or nil.
func (h *Stage) ReadableTrailers() *header.Map { return h.readableTrailers }

// Body returns the bytes that host calls use as the body, or nil.
func (h *Stage) Body() *[]byte { return h.body }

// EndLive ends the use of the headers and trailers by host calls.
func (h *Stage) EndLive() { h.live, h.readableTrailers = nil, nil }

// drop drops what the filter holds.
func (h *Stage) drop() {
	h.held, h.waiting, h.body = nil, waiting{}, nil
	h.stoppedAll, h.stoppedBody = false, false
}
