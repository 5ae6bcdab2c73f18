package hostsim

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/upstream"
)

// findRoute routes the request by its headers as they stand now.
func (s *stream) findRoute() {
	s.routed, s.route = true, nil
	path, _, _ := strings.Cut(s.request.Value(":path"), "?")
	for i := range s.proxy.Routes {
		r := &s.proxy.Routes[i]
		if r.Path != "" && path == r.Path || r.Path == "" && r.Prefix != "" && strings.HasPrefix(path, r.Prefix) {
			s.route = r
			return
		}
	}
}

// forwardRequest is the router: the request's headers have passed the filter.
func (s *stream) forwardRequest() {
	if !s.routed {
		s.findRoute()
	}
	if s.route == nil {
		s.localReply(guest.LocalReply{Status: 404, GRPC: grpc.NoCode, Details: "route_not_found"})
		return
	}
	c := s.proxy.Clusters[s.route.Cluster]
	if c == nil {
		s.localReply(guest.LocalReply{Status: 503, GRPC: grpc.NoCode, Details: "cluster_not_found"})
		return
	}
	for _, needed := range []string{":method", ":path", ":authority"} {
		if _, found := s.request.Get(needed); !found {
			s.localReply(guest.LocalReply{Status: 503, GRPC: grpc.NoCode, Details: "filter_removed_required_request_headers",
				Body: "missing required header: " + needed})
			return
		}
	}
	if s.route.Timeout > 0 && !s.upgrade {
		s.request.Set("x-envoy-expected-rq-timeout-ms", strconv.FormatInt(s.route.Timeout.Milliseconds(), 10))
	}
	req := s.upstreamRequest(c)
	if req.Body == nil {
		s.startTimeout()
	}
	s.proxy.Running.Go(func() { s.runUpstream(c, req) })
}

// startTimeout bounds the rest of the exchange, once the request has gone out whole.
func (s *stream) startTimeout() {
	if s.route.Timeout <= 0 || s.upgrade || s.ended {
		return
	}
	s.timeout = s.proxy.Clock.AfterFunc(s.route.Timeout, func() {
		s.worker.Do(func() {
			switch {
			case s.ended || s.reset || s.enc.Ended() || s.upstream.Err() != nil:
			case s.response == nil:
				s.localReply(guest.LocalReply{Status: 504, Body: "upstream request timeout", GRPC: grpc.NoCode, Details: "response_timeout"})
			default:
				s.details = "response_timeout"
				s.resetStream()
			}
		})
	})
}

// upstreamRequest makes the request for the upstream; its body is what passes the
// filter.
func (s *stream) upstreamRequest(c *upstream.Cluster) *http.Request {
	req := c.Request(s.upstream, s.request, s.upgrade)
	if !s.dec.EndAtHeaders() && !s.upgrade {
		req.Body, req.ContentLength = &upstreamBody{s, req}, -1
		if n, err := strconv.ParseInt(s.request.Value("content-length"), 10, 64); err == nil {
			req.ContentLength = n
		}
		req.Trailer = s.announcedTrailers()
	}
	req.Header.Del("Content-Length")
	return req
}

// announcedTrailers prepares the upstream request for the trailers that the
// client announced.
func (s *stream) announcedTrailers() http.Header {
	if !s.passTrailers(s.client.ProtoMajor) || len(s.client.Trailer) == 0 {
		return nil
	}
	t := http.Header{}
	for name := range s.client.Trailer {
		t[name] = nil
	}
	return t
}

// passTrailers reports whether trailers of this protocol version pass at all.
func (s *stream) passTrailers(major int) bool { return major >= 2 || s.proxy.Trailers }

// runUpstream sends the request and feeds the answer to the filter.
func (s *stream) runUpstream(c *upstream.Cluster, req *http.Request) {
	sent := s.proxy.Clock.Now()
	var conn net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { conn = info.Conn }}
	resp, err := c.HTTP.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err == nil {
		defer resp.Body.Close()
	}
	w := s.worker
	open := false
	w.Do(func() {
		if s.ended || s.upstream.Err() != nil {
			return
		}
		if err != nil {
			status, text, reason := upstream.Failure(err)
			s.localReply(guest.LocalReply{Status: status, Body: text, GRPC: grpc.NoCode,
				Details: "upstream_reset_before_response_started{" + strings.ReplaceAll(reason, " ", "_") + "}"})
			return
		}
		s.upstreamConn = conn
		open = s.receive(resp, s.proxy.Clock.Now().Sub(sent))
	})
	if !open {
		return
	}
	source := &flow.Source{Into: &s.enc, From: resp.Body, Trailers: func() *header.Map {
		return s.trailerMap(resp.ProtoMajor, resp.Trailer)
	}}
	if err := source.Pump(); err != nil {
		w.Do(func() {
			if !s.ended && !s.reset {
				s.details = "upstream_reset_after_response_started{protocol_error}"
				s.resetStream()
			}
		})
	}
}

// receive takes the head of the upstream's answer. It answers whether a body follows.
func (s *stream) receive(resp *http.Response, took time.Duration) bool {
	s.response, s.details = upstream.Response(resp), "via_upstream"
	s.response.Set("x-envoy-upstream-service-time", strconv.FormatInt(took.Milliseconds(), 10))
	end := resp.Body == http.NoBody || resp.ContentLength == 0 || s.isHead
	if resp.StatusCode == http.StatusSwitchingProtocols {
		s.tunnel, end = resp.Body.(io.ReadWriteCloser), false
	}
	s.enc.Headers(s.response, end)
	return !end && !s.enc.Aborted()
}

func (s *stream) trailerMap(major int, t http.Header) *header.Map {
	if !s.passTrailers(major) || len(t) == 0 {
		return nil
	}
	m := &header.Map{}
	m.AddHTTP(t)
	if len(m.Pairs) == 0 {
		return nil
	}
	return m
}

// upstreamBody is the request's body for the upstream: what passed the filter.
type upstreamBody struct {
	s   *stream
	req *http.Request
}

func (u *upstreamBody) Read(p []byte) (int, error) {
	b, end, cut := u.s.dec.Out.Take()
	n := copy(p, b)
	if rest := b[n:]; len(rest) > 0 {
		u.s.worker.Do(func() { u.s.dec.Out.Unread(rest) })
		return n, nil
	}
	switch {
	case cut:
		return n, io.ErrUnexpectedEOF
	case end:
		if trailers := u.s.dec.Out.Trailers(); trailers != nil && u.req.Trailer != nil {
			trailers.CopyTo(u.req.Trailer, false)
		}
		u.s.worker.Do(u.s.startTimeout)
		return n, io.EOF
	}
	return n, nil
}

func (u *upstreamBody) Close() error { return nil }
