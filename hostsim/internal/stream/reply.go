package stream

import (
	"net/http"
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// reply answers the stream with a local reply. As in Envoy, it passes the filters' response
// callbacks if no response has begun, it goes directly to the client if response headers exist
// that have not been sent, and it resets the stream if they have been sent.
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

// buildReply returns the headers of a local reply, and sets r.Body to the body that follows
// them.
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

// grpcReply makes the local reply one for gRPC: status 200, with the gRPC status in the headers
// and the body as its message.
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

// serverHeader is the server header of every response, Envoy's default.
const serverHeader = "envoy"

// forwardResponse sends the response's headers, which have passed the filters, to the client.
func (s *Stream) forwardResponse() {
	status, err := strconv.Atoi(s.responseHeaders.Value(":status"))
	if err != nil || status < 200 && s.tunnel == nil || status > 999 {
		s.reply(guest.LocalReply{Status: 502, Body: "missing required header: :status", GRPC: grpc.NoCode,
			Details: "filter_removed_required_response_headers"})
		return
	}
	head := &responseHead{status: status, header: http.Header{}, upgrade: s.tunnel != nil}
	s.responseHeaders.Set("server", serverHeader)
	s.responseHeaders.SetDefault("date", s.proxy.Clock.Now().UTC().Format(http.TimeFormat))
	s.responseHeaders.CopyTo(head.header, head.upgrade)
	s.downstream = head
	s.signal.Wake()
}
