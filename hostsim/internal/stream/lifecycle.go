package stream

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/guest"
)

// NewWorker returns a worker of p that runs the plugins of w.
func NewWorker(p *Proxy, w *guest.Worker) *Worker {
	return &Worker{w, p, map[*Stream]struct{}{}}
}

// Stop ends the open streams and then the VMs.
func (w *Worker) Stop() {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for s := range w.streams {
		s.resetStream()
		s.end()
	}
	w.Worker.Stop()
}

// newStream returns a stream with its filters. The worker's lock is held.
func newStream(w *Worker, r *http.Request) *Stream {
	s := &Stream{proxy: w.proxy, worker: w, client: r, signal: flow.NewSignal(&w.Mu),
		filterState: map[string]string{}, done: make(chan struct{})}
	s.started = s.proxy.Clock.Now()
	s.id = s.proxy.lastStream.Add(1)
	s.upstream, s.cancelUpstream = context.WithCancel(context.Background())
	for _, h := range w.Instances {
		if f := newFilter(h, s); f != nil {
			s.filters = append(s.filters, f)
		}
	}
	s.request.InitRequest(s.signal, s.forwardRequest)
	s.response.InitResponse(s.signal, s.forwardResponse)
	for _, f := range s.filters { // responses pass the last filter first
		s.response.Prepend(&f.response)
	}
	for _, f := range slices.Backward(s.filters) {
		s.request.Prepend(&f.request)
	}
	w.streams[s] = struct{}{}
	return s
}

// begin passes the request's headers to the filters.
func (s *Stream) begin() {
	s.requestHeaders = requestMap(s.client)
	s.findRoute()
	s.isGRPC = s.requestHeaders.IsGRPC()
	s.isHead = s.client.Method == http.MethodHead
	s.upgrade = s.requestHeaders.IsUpgrade()
	hasBody := s.client.ContentLength != 0 && s.client.Body != nil && s.client.Body != http.NoBody
	s.request.Headers(s.requestHeaders, !hasBody && !s.upgrade)
}

// end ends the stream once the client has received all it gets, and calls the filters' last
// callbacks.
func (s *Stream) end() {
	if s.ended {
		return
	}
	s.ended = true
	close(s.done)
	delete(s.worker.streams, s)
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.request.Abort()
	s.response.Abort()
	s.cancelUpstream()
	s.signal.End()
	s.logging = true
	for _, f := range s.filters {
		f.log()
	}
	s.logAccess()
	s.logging = false
	for _, f := range s.filters {
		f.end()
	}
}

// logAccess writes the stream's entry in the access log.
func (s *Stream) logAccess() {
	if s.proxy.AccessLog == nil {
		return
	}
	e := AccessEntry{Request: map[string][]string{}, Details: s.details, FilterState: s.filterState}
	for _, p := range s.requestHeaders.Pairs {
		e.Request[p.Name] = append(e.Request[p.Name], p.Value)
	}
	if m := s.responseHeaders; m != nil {
		e.Status, _ = strconv.Atoi(m.Value(":status"))
	}
	s.proxy.AccessLog(e)
}
