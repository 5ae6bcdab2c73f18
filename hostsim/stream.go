package hostsim

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// stream is one HTTP request with its answer, and the guest's context for it. The
// worker's lock guards everything that is not set once at the start.
type stream struct {
	vm      *vm
	guest   *guestContext
	changed *sync.Cond // on the worker's lock: something may go on

	client   *http.Request
	id       uint64
	started  time.Time
	received int64 // bytes of the request's body
	request  *headerMap
	dec      half
	isGRPC   bool
	isHead   bool
	upgrade  bool

	route  *Route
	routed bool

	response *headerMap // as soon as there is one, sent or not
	enc      half
	details  string

	down        *downstreamHead // what goes to the client, once it may
	reset       bool            // the client's connection is to be cut
	replied     bool            // the guest has sent a local reply
	logging     bool            // proxy_on_log runs
	ended       bool
	failed      bool              // the answer to a failed VM has been sent
	filterState map[string]string // what set_property wrote

	upstream       context.Context // the request to the upstream
	cancelUpstream context.CancelFunc
	timeout        *time.Timer        // of the route; nil until the request is complete
	tunnel         io.ReadWriteCloser // the upstream's side of an upgraded stream
}

// newStream makes the stream and its context. The worker's lock is held.
func newStream(v *vm, r *http.Request) *stream {
	s := &stream{vm: v, client: r, changed: sync.NewCond(&v.worker.mu), filterState: map[string]string{}}
	s.started = v.host.now()
	s.id = v.host.lastStream.Add(1)
	s.upstream, s.cancelUpstream = context.WithCancel(context.Background())
	e := &v.exports
	s.dec = half{s: s, onHeaders: e.requestHeaders, onBody: e.requestBody, onTrailers: e.requestTrailers,
		forward: func(bool) { s.forwardRequest() },
		tooLarge: func() {
			s.localReply(localReply{status: 413, body: "Payload Too Large", details: "request_payload_too_large", grpc: noGRPCStatus})
		}}
	s.enc = half{s: s, onHeaders: e.responseHeaders, onBody: e.responseBody, onTrailers: e.responseTrailers,
		forward: func(bool) { s.forwardResponse() },
		tooLarge: func() {
			s.localReply(localReply{status: 500, body: "Internal Server Error", details: "response_payload_too_large", grpc: noGRPCStatus})
		}}
	return s
}

func (s *stream) host() *Host { return s.vm.host }

// wake tells everybody who waits for this stream to look again.
func (s *stream) wake() { s.changed.Broadcast() }

// begin creates the guest's context and runs the request's headers.
func (s *stream) begin() {
	s.request = s.host().requestMap(s.client)
	s.findRoute()
	s.isGRPC = s.request.isGRPC()
	s.isHead = s.client.Method == http.MethodHead
	s.upgrade = s.request.isUpgrade()
	if s.vm.failed == nil {
		s.guest = s.vm.newContext(s.vm.root, s)
		s.vm.enter(s.guest, s.vm.exports.contextCreate, uint64(s.guest.id), uint64(s.vm.root.id))
	}
	hasBody := s.client.ContentLength != 0 && s.client.Body != nil && s.client.Body != http.NoBody
	s.dec.headers(s.request, !hasBody && !s.upgrade)
}

// callback runs one of the filter's callbacks. proceed is false where the VM has
// failed; the stream has its answer then. A callback that the guest does not have
// lets everything go on.
func (s *stream) callback(fn api.Function, args ...uint64) (action uint32, proceed bool) {
	if s.failed {
		return goOn, true
	}
	if s.vm.failed == nil {
		var stopped bool
		if fn != nil {
			all := [4]uint64{uint64(s.guest.id)}
			n := copy(all[1:], args)
			action, stopped = s.vm.enter(s.guest, fn, all[:1+n]...)
		}
		if s.vm.failed == nil {
			if stopped {
				return pauseNoBuffer, true
			}
			return action, true
		}
	}
	s.failStream()
	return goOn, false
}

// failStream answers a stream whose VM has failed: 503, closed.
func (s *stream) failStream() {
	if s.failed {
		return
	}
	s.failed = true
	s.localReply(localReply{status: 503, grpc: grpcUnavailable, details: "wasm_fail_stream"})
}

// resetStream cuts the stream: the client's connection and the upstream's.
func (s *stream) resetStream() {
	s.reset = true
	s.dec.abort()
	s.enc.abort()
	s.cancelUpstream()
	s.wake()
}

// end runs the last callbacks and forgets the context. It is called once the
// client has all it gets.
func (s *stream) end() {
	if s.ended {
		return
	}
	s.ended = true
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.dec.abort()
	s.enc.abort()
	s.cancelUpstream()
	s.wake()
	if s.guest == nil {
		return
	}
	v, id := s.vm, uint64(s.guest.id)
	s.logging = true
	v.enter(s.guest, v.exports.log, id)
	s.logging = false
	v.enter(s.guest, v.exports.done, id)
	v.enter(s.guest, v.exports.delete, id)
	delete(v.contexts, s.guest.id)
}

// continueStream lets a paused direction go on once the guest has returned. It ends
// the life of the request's maps, whichever direction it is for.
func continueStream(v *vm, a []uint64) status {
	kind, s := uint32(a[0]), v.inEffect().stream
	switch {
	case kind > lastStream:
		return badArgument
	case kind == upstreamStream:
		return unimplemented
	case kind == downstreamStream || s == nil:
		return ok
	}
	h := &s.dec
	if kind == responseStream {
		h = &s.enc
	}
	v.afterCall = append(v.afterCall, h.resume)
	s.dec.live, s.dec.shownTrailers = nil, nil
	return ok
}

// closeStream cuts the stream once the guest has returned. On an HTTP stream the
// types of a connection answer OK and do nothing.
func closeStream(v *vm, a []uint64) status {
	kind, s := uint32(a[0]), v.inEffect().stream
	if kind > lastStream {
		return badArgument
	}
	if s != nil && (kind == requestStream || kind == responseStream) {
		if s.details == "" {
			s.details = "wasm_close_stream"
		}
		v.afterCall = append(v.afterCall, s.resetStream)
	}
	return ok
}
