package hostsim

import "github.com/tetratelabs/wazero/api"

// half is one direction of a stream on its way through the filter: from the
// client to the upstream, or back. All methods need the worker's lock.
type half struct {
	s                             *stream
	onHeaders, onBody, onTrailers api.Function
	forward                       func(end bool) // takes the headers over the filter's border
	tooLarge                      func()         // the filter holds back more than the buffer limit
	aborted                       bool           // a local reply or a reset took this direction's place

	begun         bool       // there are headers
	live          *headerMap // the headers, while host calls may touch them
	shownTrailers *headerMap // the trailers, likewise
	body          *[]byte    // the bytes that a host call sees as the body

	held        []byte // kept back for a filter that paused the body
	buffering   bool   // the last answer was "pause and keep"
	stoppedAll  bool   // paused at the headers: nothing may follow
	stoppedBody bool   // paused at the body or the trailers
	forwarded   bool   // the headers went on
	endAtHead   bool   // there is no body
	ended       bool   // the source has no more
	waiting     []byte // a local reply's body behind its paused headers

	trailers *headerMap
	out      []byte // past the filter, for the next hop
	outEnd   bool   // and nothing follows it
}

// headers runs the headers callback.
func (h *half) headers(m *headerMap, end bool) {
	h.begun, h.live, h.ended, h.endAtHead = true, m, end, end
	action, proceed := h.s.callback(h.onHeaders, uint64(len(m.pairs)), flag(end))
	if !proceed || h.aborted {
		return
	}
	if action != goOn {
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
	h.outEnd = h.endAtHead
	h.forward(h.endAtHead)
}

// data runs the body callback on a chunk, or on all that is held with the chunk.
func (h *half) data(chunk []byte, end bool) {
	if h.aborted {
		return
	}
	h.ended = end
	wasBuffering := h.buffering
	h.body = &chunk
	if wasBuffering {
		if !h.hold(chunk) {
			return
		}
		h.body = &h.held
	}
	action, proceed := h.s.callback(h.onBody, uint64(len(*h.body)), flag(end))
	h.buffering = false
	if !proceed || h.aborted {
		return
	}
	if action == goOn {
		if !wasBuffering {
			h.held = append(h.held, chunk...)
		}
		h.body = nil
		h.release()
		return
	}
	h.stoppedBody = true
	if action == pauseBuffer || action == pauseWatermark {
		if !wasBuffering && !h.hold(chunk) {
			return
		}
		h.buffering = action == pauseBuffer
		h.body = &h.held
	}
}

// hold keeps a chunk back. It answers false when that was too much.
func (h *half) hold(chunk []byte) bool {
	h.held = append(h.held, chunk...)
	if len(h.held) > h.s.host().cfg.BufferLimit {
		h.tooLarge()
		return false
	}
	return true
}

// release lets go on what is held, and the end of the stream with it.
func (h *half) release() {
	h.stoppedBody = false
	h.out = append(h.out, h.held...)
	h.held = nil
	h.outEnd = h.outEnd || h.ended
	h.s.wake()
}

// trailer runs the trailers callback.
func (h *half) trailer(m *headerMap) {
	if h.aborted {
		return
	}
	h.ended, h.trailers, h.shownTrailers = true, m, m
	action, proceed := h.s.callback(h.onTrailers, uint64(len(m.pairs)))
	if !proceed || h.aborted {
		return
	}
	if action != goOn {
		h.stoppedBody = true
		return
	}
	h.shownTrailers = nil
	h.release()
}

// liveTrailers gives the trailers to change; in the last body callback of a
// message without trailers it adds them.
func (h *half) liveTrailers() *headerMap {
	if h.shownTrailers == nil && h.body != nil && h.ended {
		h.trailers = &headerMap{}
		h.shownTrailers = h.trailers
	}
	return h.shownTrailers
}

// resume goes on after a pause.
func (h *half) resume() {
	if h.aborted || !h.begun {
		return
	}
	h.stoppedAll = false
	h.pass()
	if h.stoppedBody {
		h.release()
	}
	if body := h.waiting; body != nil {
		h.waiting = nil
		h.data(body, true)
	}
	h.s.wake()
}

// abort ends this direction for the filter; what has gone past it stays.
func (h *half) abort() {
	h.aborted = true
	h.held, h.waiting, h.body = nil, nil, nil
	h.stoppedAll, h.stoppedBody = false, false
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
