package hostsim

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/header"
)

// stream is one HTTP request with its answer. The worker's lock guards everything
// that is not set once at the start.
type stream struct {
	proxy   *proxy
	worker  *worker
	changed *sync.Cond // on the worker's lock: something may go on
	filters []*filter  // in the order in which requests pass them

	client   *http.Request
	id       uint64
	started  time.Time
	received int64 // bytes of the request's body
	request  *header.Map
	dec      direction
	isGRPC   bool
	isHead   bool
	upgrade  bool

	route  *route
	routed bool

	response *header.Map // as soon as there is one, sent or not
	enc      direction
	details  string

	down        *downstreamHead // what goes to the client, once it may
	reset       bool            // the client's connection is to be cut
	logging     bool            // proxy_on_log runs
	ended       bool
	over        chan struct{}     // closed at the end
	filterState map[string]string // what set_property wrote

	upstream       context.Context // the request to the upstream
	cancelUpstream context.CancelFunc
	timeout        clock.Timer        // of the route; nil until the request is complete
	upstreamConn   net.Conn           // that the answer came by; only its addresses are read
	tunnel         io.ReadWriteCloser // the upstream's side of an upgraded stream
}

// newStream makes the stream with its filters. The worker's lock is held.
func newStream(w *worker, r *http.Request) *stream {
	s := &stream{proxy: w.proxy, worker: w, client: r, changed: sync.NewCond(&w.Mu), filterState: map[string]string{}, over: make(chan struct{})}
	s.started = s.proxy.Clock.Now()
	s.id = s.proxy.lastStream.Add(1)
	s.upstream, s.cancelUpstream = context.WithCancel(context.Background())
	for _, h := range w.Instances {
		if f := newFilter(h, s); f != nil {
			s.filters = append(s.filters, f)
		}
	}
	s.dec.out = pipe{s: s, d: &s.dec, begin: s.forwardRequest}
	s.enc.out = pipe{s: s, d: &s.enc, begin: s.forwardResponse}
	s.dec.first, s.enc.first = &s.dec.out, &s.enc.out
	for _, f := range s.filters { // responses pass the last filter first
		f.enc.next, s.enc.first = s.enc.first, &f.enc
		s.dec.halves = append(s.dec.halves, &f.dec)
		s.enc.halves = append(s.enc.halves, &f.enc)
	}
	for _, f := range slices.Backward(s.filters) {
		f.dec.next, s.dec.first = s.dec.first, &f.dec
	}
	slices.Reverse(s.enc.halves)
	w.streams[s] = struct{}{}
	return s
}

// wake tells everybody who waits for this stream to look again.
func (s *stream) wake() { s.changed.Broadcast() }

// begin runs the request's headers through the filters.
func (s *stream) begin() {
	s.request = requestMap(s.client)
	s.findRoute()
	s.isGRPC = s.request.IsGRPC()
	s.isHead = s.client.Method == http.MethodHead
	s.upgrade = s.request.IsUpgrade()
	hasBody := s.client.ContentLength != 0 && s.client.Body != nil && s.client.Body != http.NoBody
	s.dec.headers(s.request, !hasBody && !s.upgrade)
}

// resetStream cuts the stream: the client's connection and the upstream's.
func (s *stream) resetStream() {
	s.reset = true
	s.dec.abort()
	s.enc.abort()
	s.cancelUpstream()
	s.wake()
}

// end runs the last callbacks and forgets the stream. It is called once the client
// has all it gets.
func (s *stream) end() {
	if s.ended {
		return
	}
	s.ended = true
	close(s.over)
	delete(s.worker.streams, s)
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.dec.abort()
	s.enc.abort()
	s.cancelUpstream()
	s.wake()
	s.logging = true
	for _, f := range s.filters {
		f.log()
	}
	s.logging = false
	for _, f := range s.filters {
		f.forget()
	}
}
