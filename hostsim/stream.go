package hostsim

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/header"
)

// stream is one HTTP request with its answer. The worker's lock guards everything
// that is not set once at the start.
type stream struct {
	proxy   *proxy
	worker  *worker
	signal  *flow.Signal // of the worker's lock
	filters []*filter    // in the order in which requests pass them

	client   *http.Request
	id       uint64
	started  time.Time
	received int64 // bytes of the request's body
	request  *header.Map
	dec      flow.Direction
	isGRPC   bool
	isHead   bool
	upgrade  bool

	route  *route
	routed bool

	response *header.Map // as soon as there is one, sent or not
	enc      flow.Direction
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
	s := &stream{proxy: w.proxy, worker: w, client: r, signal: flow.NewSignal(&w.Mu), filterState: map[string]string{}, over: make(chan struct{})}
	s.started = s.proxy.Clock.Now()
	s.id = s.proxy.lastStream.Add(1)
	s.upstream, s.cancelUpstream = context.WithCancel(context.Background())
	for _, h := range w.Instances {
		if f := newFilter(h, s); f != nil {
			s.filters = append(s.filters, f)
		}
	}
	s.dec.InitRequest(s.signal, s.forwardRequest)
	s.enc.InitResponse(s.signal, s.forwardResponse)
	for _, f := range s.filters { // responses pass the last filter first
		s.enc.Prepend(&f.enc)
	}
	for _, f := range slices.Backward(s.filters) {
		s.dec.Prepend(&f.dec)
	}
	w.streams[s] = struct{}{}
	return s
}

// begin runs the request's headers through the filters.
func (s *stream) begin() {
	s.request = requestMap(s.client)
	s.findRoute()
	s.isGRPC = s.request.IsGRPC()
	s.isHead = s.client.Method == http.MethodHead
	s.upgrade = s.request.IsUpgrade()
	hasBody := s.client.ContentLength != 0 && s.client.Body != nil && s.client.Body != http.NoBody
	s.dec.Headers(s.request, !hasBody && !s.upgrade)
}

// resetStream cuts the stream: the client's connection and the upstream's.
func (s *stream) resetStream() {
	s.reset = true
	s.dec.Abort()
	s.enc.Abort()
	s.cancelUpstream()
	s.signal.End()
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
	s.dec.Abort()
	s.enc.Abort()
	s.cancelUpstream()
	s.signal.End()
	s.logging = true
	for _, f := range s.filters {
		f.log()
	}
	s.logging = false
	for _, f := range s.filters {
		f.forget()
	}
}
