package stream

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

// upstreamRequest returns the request for the upstream, whose body is what passes the
// filters.
func (s *Stream) upstreamRequest(c *upstream.Cluster) *http.Request {
	req := c.Request(s.upstream, s.requestHeaders, s.upgrade)
	if !s.request.EndAtHeaders() && !s.upgrade {
		req.Body, req.ContentLength = &upstreamBody{s, req}, -1
		if n, err := strconv.ParseInt(s.requestHeaders.Value("content-length"), 10, 64); err == nil {
			req.ContentLength = n
		}
		req.Trailer = s.declaredTrailers()
	}
	req.Header.Del("Content-Length")
	return req
}

// declaredTrailers returns the names of the trailers that the client has declared, for the
// request to the upstream.
func (s *Stream) declaredTrailers() http.Header {
	if !s.passTrailers(s.client.ProtoMajor) || len(s.client.Trailer) == 0 {
		return nil
	}
	t := http.Header{}
	for name := range s.client.Trailer {
		t[name] = nil
	}
	return t
}

// passTrailers reports whether trailers of HTTP with this major version pass.
func (s *Stream) passTrailers(major int) bool { return major >= 2 || s.proxy.Trailers }

// runUpstream sends the request and passes the response to the filters.
func (s *Stream) runUpstream(c *upstream.Cluster, req *http.Request) {
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
			s.reply(guest.LocalReply{Status: status, Body: text, GRPC: grpc.NoCode,
				Details: "upstream_reset_before_response_started{" + strings.ReplaceAll(reason, " ", "_") + "}"})
			return
		}
		s.upstreamConn = conn
		open = s.receive(resp, s.proxy.Clock.Now().Sub(sent))
	})
	if !open {
		return
	}
	source := &flow.Source{Into: &s.response, From: resp.Body, Trailers: func() *header.Map {
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

// receive passes the headers of the upstream's response to the filters. It reports whether a
// body follows.
func (s *Stream) receive(resp *http.Response, took time.Duration) bool {
	s.responseHeaders, s.details = upstream.Response(resp), "via_upstream"
	s.responseHeaders.Set("x-envoy-upstream-service-time", strconv.FormatInt(took.Milliseconds(), 10))
	end := resp.Body == http.NoBody || resp.ContentLength == 0 || s.isHead
	if resp.StatusCode == http.StatusSwitchingProtocols {
		s.tunnel, end = resp.Body.(io.ReadWriteCloser), false
	}
	s.response.Headers(s.responseHeaders, end)
	return !end && !s.response.Aborted()
}

// trailerMap returns the trailers that pass, or nil.
func (s *Stream) trailerMap(major int, t http.Header) *header.Map {
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

// upstreamBody is the body of the request to the upstream.
type upstreamBody struct {
	s   *Stream
	req *http.Request
}

// Read implements io.Reader.
func (u *upstreamBody) Read(p []byte) (int, error) {
	b, end, cut := u.s.request.Out.Take()
	n := copy(p, b)
	if rest := b[n:]; len(rest) > 0 {
		u.s.worker.Do(func() { u.s.request.Out.Unread(rest) })
		return n, nil
	}
	switch {
	case cut:
		return n, io.ErrUnexpectedEOF
	case end:
		if trailers := u.s.request.Out.Trailers(); trailers != nil && u.req.Trailer != nil {
			trailers.CopyTo(u.req.Trailer, false)
		}
		u.s.worker.Do(u.s.startTimeout)
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (u *upstreamBody) Close() error { return nil }

// startTimeout starts the timeout of the route once the whole request has been sent.
func (s *Stream) startTimeout() {
	if s.route.Timeout <= 0 || s.upgrade || s.ended {
		return
	}
	s.timeout = s.proxy.Clock.AfterFunc(s.route.Timeout, func() {
		s.worker.Do(func() {
			switch {
			case s.ended || s.reset || s.response.Ended() || s.upstream.Err() != nil:
			case s.responseHeaders == nil:
				s.reply(guest.LocalReply{Status: 504, Body: "upstream request timeout", GRPC: grpc.NoCode, Details: "response_timeout"})
			default:
				s.details = "response_timeout"
				s.resetStream()
			}
		})
	})
}
