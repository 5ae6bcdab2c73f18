package hostsim

import (
	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// sink is what one direction of a stream flows into: the next filter, or what
// comes after the last one. All methods need the worker's lock.
type sink interface {
	headers(m *header.Map, end bool)
	data(chunk []byte, end bool)
	trailer(m *header.Map)
}

// direction is a stream's way through its filters, to the upstream or back.
type direction struct {
	first   sink
	halves  []*half // in the order of passage
	out     pipe    // past all filters
	aborted bool    // a local reply or a reset took this direction's place

	endAtHead bool // there is no body
	ended     bool // the source has no more
}

// source is how the direction is fed: what enters it is noted.
func (d *direction) headers(m *header.Map, end bool) {
	d.endAtHead, d.ended = end, end
	d.first.headers(m, end)
}

func (d *direction) data(chunk []byte, end bool) {
	if d.aborted {
		return
	}
	d.ended = end
	d.first.data(chunk, end)
}

func (d *direction) trailer(m *header.Map) {
	if d.aborted {
		return
	}
	d.ended = true
	d.first.trailer(m)
}

// full reports whether nothing more may be read: the first filter has paused at the
// headers, or much waits already, for a later filter or for the next hop.
func (d *direction) full() bool {
	if len(d.halves) > 0 && d.halves[0].stoppedAll {
		return true
	}
	pending := len(d.out.bytes)
	for _, h := range d.halves {
		pending += len(h.waiting.body)
	}
	return pending > highWatermark
}

// abort ends this direction for the filters; what has gone past them stays.
func (d *direction) abort() {
	d.aborted = true
	for _, h := range d.halves {
		h.held, h.waiting, h.body = nil, waiting{}, nil
		h.stoppedAll, h.stoppedBody = false, false
	}
}

// half is one direction of a stream on its way through one filter.
type half struct {
	f                             *filter
	d                             *direction
	next                          sink
	onHeaders, onBody, onTrailers api.Function
	tooLarge                      func() // the filter holds back more than the buffer limit

	m             *header.Map // the headers, as soon as there are some
	live          *header.Map // the same, while host calls may touch them
	shownTrailers *header.Map // the trailers, likewise
	body          *[]byte     // the bytes that a host call sees as the body

	held        []byte  // kept back for a filter that paused the body
	buffering   bool    // the last answer was "pause and keep"
	stoppedAll  bool    // paused at the headers
	stoppedBody bool    // paused at the body or the trailers
	forwarded   bool    // the headers went on
	endAtHead   bool    // there is no body
	ended       bool    // nothing more comes
	waiting     waiting // what came while the headers were paused
	trailers    *header.Map
}

// waiting is what comes after headers that are paused.
type waiting struct {
	body     []byte
	end      bool
	trailers *header.Map
}

// headers runs the headers callback. A filter that has not seen the request, as it
// is when one before it answered, does not see the response either.
func (h *half) headers(m *header.Map, end bool) {
	h.m, h.ended, h.endAtHead = m, end, end
	if !h.f.begun() {
		h.pass()
		return
	}
	h.live = m
	action, proceed := h.f.callback(h.onHeaders, uint64(len(m.Pairs)), flag(end))
	if !proceed || h.d.aborted {
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
func (h *half) pass() {
	if h.forwarded {
		return
	}
	h.forwarded = true
	h.next.headers(h.m, h.endAtHead)
}

// data runs the body callback on a chunk, or on all that is held with the chunk.
func (h *half) data(chunk []byte, end bool) {
	if h.d.aborted {
		return
	}
	if h.stoppedAll {
		h.waiting.body, h.waiting.end = append(h.waiting.body, chunk...), end
		return
	}
	h.ended = end
	if !h.f.begun() {
		h.next.data(chunk, end)
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
	action, proceed := h.f.callback(h.onBody, uint64(len(*h.body)), flag(end))
	h.buffering = false
	if !proceed || h.d.aborted {
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
func (h *half) hold(chunk []byte) bool {
	h.held = append(h.held, chunk...)
	if len(h.held) > h.f.s.proxy.BufferLimit {
		h.tooLarge()
		return false
	}
	return true
}

// release lets go on what is held, and the end of the stream with it.
func (h *half) release() {
	h.stoppedBody = false
	held := h.held
	h.held = nil
	switch {
	case h.ended && h.trailers != nil:
		if len(held) > 0 {
			h.next.data(held, false)
		}
		if !h.d.aborted {
			h.next.trailer(h.trailers)
		}
	case h.ended || len(held) > 0:
		h.next.data(held, h.ended)
	}
}

// trailer runs the trailers callback.
func (h *half) trailer(m *header.Map) {
	if h.d.aborted {
		return
	}
	if h.stoppedAll {
		h.waiting.trailers, h.waiting.end = m, true
		return
	}
	h.ended, h.trailers = true, m
	if !h.f.begun() {
		h.release()
		return
	}
	h.shownTrailers = m
	action, proceed := h.f.callback(h.onTrailers, uint64(len(m.Pairs)))
	if !proceed || h.d.aborted {
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
func (h *half) liveTrailers() *header.Map {
	if h.shownTrailers == nil && h.body != nil && h.ended {
		h.trailers = &header.Map{}
		h.shownTrailers = h.trailers
	}
	return h.shownTrailers
}

// resume goes on after a pause.
func (h *half) resume() {
	if h.d.aborted || h.m == nil {
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
		h.data(late.body, late.end && late.trailers == nil)
	}
	if late.trailers != nil {
		h.trailer(late.trailers)
	}
	h.f.s.wake()
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
