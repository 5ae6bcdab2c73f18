package worker

import (
	"slices"
	"time"
	"unsafe"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
)

// maxBatch is how many calls one callout carries, of the api.MaxCalls that the service takes.
const maxBatch = api.MaxCalls / 2

// maxQueued bounds the calls that wait to be batched.
const maxQueued = 2 * maxWaiting

// overlapAfter is for how long a callout may be under way before the next is sent beside it.
const overlapAfter = 5 * time.Millisecond

// tooLarge is api.TooLarge as a status.
const tooLarge = "413"

// batcher batches the callouts of one worker to one session service. While one is under way
// the others wait, unless it takes long, and are then sent together: under load callouts get
// larger, not more.
type batcher struct {
	underWay int
	sent     time.Time // the last
	queue    []pendingCall
}

// pendingCall is a callout and what its answer is for: a stream, a shared look-up, or nothing.
type pendingCall struct {
	callout filter.Callout
	stream  *Stream
	serial  uint32 // of the stream's request: of another, the answer is dropped
	flight  *flight
}

// Call is a callout that is to be sent: one call, a batch of them, or a poll of the feed.
type Call struct {
	filter.Callout
	batcher *batcher // nil: it is sent by itself
	pending []pendingCall
	body    []byte
	feed    *service // whose feed is polled; nil: none is
}

// Headers returns the callout's request headers.
func (c *Call) Headers() [][2]string {
	headers := append(make([][2]string, 0, 9), [][2]string{
		{":method", "POST"},
		{":path", c.Path},
		{":authority", c.To.Authority},
		{"content-type", "application/json"},
		// Envoy's router retries once, on another replica if there is one, if the request did not
		// reach the first.
		{"x-envoy-retry-on", "connect-failure,refused-stream,reset-before-request"},
		{"x-envoy-max-retries", "1"},
	}...)
	if c.Path == api.Batch {
		headers[3][1] = api.BatchType
	}
	for _, more := range [...][2]string{
		{"authorization", c.To.Authorization}, {api.RequestIDHeader, c.Trace.RequestID}, {api.TraceParentHeader, c.Trace.Parent},
	} {
		if more[1] != "" {
			headers = append(headers, more)
		}
	}
	return headers
}

// batcher returns that of a destination.
func (w *Worker) batcher(to *config.Destination) *batcher {
	b := w.batchers[*to]
	if b == nil {
		b = &batcher{}
		w.batchers[*to] = b
		w.batching = append(w.batching, b)
	}
	return b
}

// send sends a call, now or with the next. One that can be deferred and is queued already is
// not queued again.
func (w *Worker) send(p pendingCall) {
	b := w.batcher(p.callout.To)
	if !api.Batchable(p.callout.Body) {
		w.sendNow(b, []pendingCall{p})
		return
	}
	if p.callout.Deferrable && slices.ContainsFunc(b.queue, func(q pendingCall) bool { return q.callout.Same(p.callout) }) {
		return // many requests may find one session due
	}
	if b.full() && p.stream == nil && p.flight == nil {
		w.unsent(p.callout)
		return
	}
	b.queue = append(b.queue, p)
	if p.callout.Deferrable && len(b.queue) < maxBatch {
		return
	}
	b.next(w)
}

// full reports whether so many calls are queued that no more are to be.
func (b *batcher) full() bool { return len(b.queue) >= maxQueued }

// unsent says that a notification was lost.
func (w *Worker) unsent(c filter.Callout) { w.warn("the session service did not take a " + c.Path) }

// next sends what is queued, unless it is to wait.
func (b *batcher) next(w *Worker) {
	for len(b.queue) > 0 && (b.underWay == 0 || w.now.Sub(b.sent) >= overlapAfter || w.now.Before(b.sent)) {
		call := w.newCall()
		rest := b.queue
		for len(rest) > 0 && len(call.pending) < maxBatch {
			if p := rest[0]; p.stream == nil || p.stream.serial == p.serial || !api.ReadOnly(p.callout.Path) {
				call.pending = append(call.pending, p)
			}
			rest = rest[1:]
		}
		n := copy(b.queue, rest)
		clear(b.queue[n:])
		b.queue = b.queue[:n]
		if len(call.pending) == 0 {
			w.recycle(call)
			continue
		}
		w.dispatch(b, call)
	}
}

func (w *Worker) sendNow(b *batcher, pending []pendingCall) {
	call := w.newCall()
	call.pending = append(call.pending, pending...)
	w.dispatch(b, call)
}

// dispatch has a call sent.
func (w *Worker) dispatch(b *batcher, call *Call) {
	b.underWay++
	b.sent = w.now
	call.batcher = b
	call.Callout = call.pending[0].callout
	if len(call.pending) > 1 {
		body := call.body[:0]
		for i := range call.pending {
			c := &call.pending[i].callout
			body = api.AppendCall(body, c.Path, c.Trace, c.Body)
			call.Timeout = max(call.Timeout, c.Timeout)
		}
		call.body, call.Path, call.Body, call.Trace = body, api.Batch, textOf(body), api.Trace{}
	}
	w.Count(CalloutsCounter)
	w.out.Calls = append(w.out.Calls, call)
}

// tick sends what was deferred, or waited for a callout that takes long. More than one batch
// follows soon, so that none of what waits is late by a housekeeping for each before it.
func (b *batcher) tick(w *Worker) {
	b.next(w)
	w.out.Soon = w.out.Soon || len(b.queue) > 0
}

// done handles the answer to a call; fresh says that it came from the network.
func (c *Call) done(w *Worker, a filter.Answer, fresh bool) {
	if c.feed != nil {
		c.feed.polled(w, a)
		w.recycle(c)
		return
	}
	b := c.batcher
	b.underWay--
	switch {
	case !slices.ContainsFunc(b.queue, func(p pendingCall) bool { return !p.callout.Deferrable }):
	case fresh:
		b.next(w)
	default:
		w.out.Soon = true // what fails at once would be nested without end
	}
	answers := split(w.answers[:0], a, len(c.pending))
	w.answers = answers
	for i := range c.pending {
		p := &c.pending[i]
		if len(c.pending) > 1 && answers[i].Status == tooLarge {
			w.sendNow(b, c.pending[i:i+1])
			continue
		}
		p.done(w, answers[i])
	}
	clear(answers)
	w.recycle(c)
}

func (p *pendingCall) done(w *Worker, a filter.Answer) {
	switch {
	case p.flight != nil:
		w.land(p.flight, a)
	case p.stream != nil:
		if p.stream.serial == p.serial {
			w.answered(p.stream, a)
		}
	case a.Status != "200":
		w.unsent(p.callout)
	}
}

// maxSpare bounds the calls whose memory is kept.
const maxSpare = 8

func (w *Worker) newCall() *Call {
	if n := len(w.spare); n > 0 {
		c := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return c
	}
	return &Call{}
}

func (w *Worker) recycle(c *Call) {
	if len(w.spare) >= maxSpare || cap(c.body) > 64<<10 {
		return
	}
	clear(c.pending)
	*c = Call{pending: c.pending[:0], body: c.body[:0]}
	w.spare = append(w.spare, c)
}

// split appends the answers to n calls. Where their number or their order is in doubt there
// is no answer to any; where all failed as one, each has that status.
func split(dst []filter.Answer, a filter.Answer, n int) []filter.Answer {
	if n == 1 {
		return append(dst, a)
	}
	if a.Status != "200" {
		if a.Status == tooLarge {
			a.Status = "" // not of one of the calls
		}
		for range n {
			dst = append(dst, a)
		}
		return dst
	}
	first, rest := len(dst), a.Body
	for i := range n {
		status, body, more, ok := api.CutResult(rest, i)
		if !ok || (i == n-1 && more != "") {
			return append(dst[:first], slices.Repeat([]filter.Answer{{Status: filter.Unreadable}}, n)...)
		}
		dst, rest = append(dst, filter.Answer{Status: status, Body: body}), more
	}
	return dst
}

// textOf returns bytes that do not change while the text is used as a text.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
