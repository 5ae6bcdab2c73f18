package hostsim

import (
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// LocalReply answers the stream in Envoy's three ways: through the filter's own
// response callbacks where no response has begun; past them where response headers
// exist but have not been sent; by a reset where they have been sent.
func (s *stream) localReply(r guest.LocalReply) {
	if s.ended || s.reset {
		return
	}
	s.details = r.Details
	s.cancelUpstream()
	s.dec.Abort()
	switch {
	case s.down != nil:
		s.resetStream()
	case s.response != nil:
		s.enc.Abort()
		s.response = s.buildReply(&r)
		s.enc.Out.Replace([]byte(r.Body))
		s.forwardResponse()
	default:
		s.response = s.buildReply(&r)
		s.enc.Headers(s.response, r.Body == "")
		if r.Body != "" {
			s.enc.Data([]byte(r.Body), true)
		}
	}
	s.signal.Wake()
}

// buildReply makes the headers of a local reply and leaves in r the body that
// really follows them.
func (s *stream) buildReply(r *guest.LocalReply) *header.Map {
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
func (s *stream) grpcReply(m *header.Map, r *guest.LocalReply) {
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
