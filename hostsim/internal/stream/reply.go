package stream

import (
	"net/http"
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// LocalReply answers the stream in Envoy's three ways: through the filter's own
// responseHeaders callbacks where no response has begun; past them where response headers
// exist but have not been sent; by a reset where they have been sent.
func (s *Stream) reply(r guest.LocalReply) {
	if s.ended || s.reset {
		return
	}
	s.details = r.Details
	s.cancelUpstream()
	s.request.Abort()
	switch {
	case s.downstream != nil:
		s.resetStream()
	case s.responseHeaders != nil:
		s.response.Abort()
		s.responseHeaders = s.buildReply(&r)
		s.response.Out.Replace([]byte(r.Body))
		s.forwardResponse()
	default:
		s.responseHeaders = s.buildReply(&r)
		s.response.Headers(s.responseHeaders, r.Body == "")
		if r.Body != "" {
			s.response.Data([]byte(r.Body), true)
		}
	}
	s.signal.Wake()
}

// buildReply makes the headers of a local reply and leaves in r the body that
// really follows them.
func (s *Stream) buildReply(r *guest.LocalReply) *header.Map {
	m := header.NewResponse()
	m.Add(":status", strconv.Itoa(r.Status))
	for _, p := range r.Headers {
		m.Add(strings.ToLower(p.Name), p.Value)
	}
	if s.isGRPC {
		s.grpcReply(m, r)
		return m
	}
	if r.Body == "" {
		m.Remove("content-length")
		m.Remove("content-type")
		return m
	}
	m.Set("content-length", strconv.Itoa(len(r.Body)))
	if _, set := m.Get("content-type"); !set {
		m.Set("content-type", "text/plain")
	}
	if s.isHead {
		r.Body = ""
	}
	return m
}

// grpcReply makes the answer one that a gRPC client understands: 200, all in the
// Headers, the body as the message.
func (s *Stream) grpcReply(m *header.Map, r *guest.LocalReply) {
	m.Set(":status", "200")
	m.Set("content-type", "application/grpc")
	if m.Value("grpc-status") == "" {
		code := r.GRPC
		if code < 0 || code > grpc.MaxCode {
			code = grpc.CodeOf(r.Status)
		}
		m.Set("grpc-status", strconv.Itoa(code))
	}
	if r.Body != "" && !s.isHead {
		m.Set("grpc-message", grpc.EncodeMessage(r.Body))
	}
	m.Remove("content-length")
	r.Body = ""
}

// serverHeader stands in the server header of every answer, as by Envoy's default.
const serverHeader = "envoy"

// forwardResponse takes the response's headers as they stand for the client.
func (s *Stream) forwardResponse() {
	status, err := strconv.Atoi(s.responseHeaders.Value(":status"))
	if err != nil || status < 200 && s.tunnel == nil || status > 999 {
		s.reply(guest.LocalReply{Status: 502, Body: "missing required header: :status", GRPC: grpc.NoCode,
			Details: "filter_removed_required_response_headers"})
		return
	}
	d := &responseHead{status: status, header: http.Header{}, upgrade: s.tunnel != nil}
	s.responseHeaders.Set("server", serverHeader)
	s.responseHeaders.SetDefault("date", s.proxy.Clock.Now().UTC().Format(http.TimeFormat))
	s.responseHeaders.CopyTo(d.header, d.upgrade)
	s.downstream = d
	s.signal.Wake()
}
