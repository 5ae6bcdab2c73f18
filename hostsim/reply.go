package hostsim

import (
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/header"
)

// localReply is an answer that does not come from the upstream.
type localReply struct {
	status  int
	body    string
	headers []abi.Pair
	grpc    int // 0 to 16; otherwise it follows from the HTTP status
	details string
}

// localReply answers the stream in Envoy's three ways: through the filter's own
// response callbacks where no response has begun; past them where response headers
// exist but have not been sent; by a reset where they have been sent.
func (s *stream) localReply(r localReply) {
	if s.ended || s.reset {
		return
	}
	s.details = r.details
	s.cancelUpstream()
	s.dec.abort()
	switch {
	case s.down != nil:
		s.resetStream()
	case s.response != nil:
		s.enc.abort()
		s.response = s.buildReply(&r)
		s.enc.out.bytes, s.enc.out.trailers, s.enc.out.end = []byte(r.body), nil, true
		s.forwardResponse()
	default:
		s.response = s.buildReply(&r)
		s.enc.headers(s.response, r.body == "")
		if r.body != "" {
			s.enc.data([]byte(r.body), true)
		}
	}
	s.wake()
}

// buildReply makes the headers of a local reply and leaves in r the body that
// really follows them.
func (s *stream) buildReply(r *localReply) *header.Map {
	m := header.NewResponse()
	m.Add(":status", strconv.Itoa(r.status))
	for _, p := range r.headers {
		m.Add(strings.ToLower(p.Name), p.Value)
	}
	if s.isGRPC {
		s.grpcReply(m, r)
		return m
	}
	if r.body == "" {
		m.Remove("content-length")
		m.Remove("content-type")
		return m
	}
	m.Set("content-length", strconv.Itoa(len(r.body)))
	if _, set := m.Get("content-type"); !set {
		m.Set("content-type", "text/plain")
	}
	if s.isHead {
		r.body = ""
	}
	return m
}

// grpcReply makes the answer one that a gRPC client understands: 200, all in the
// headers, the body as the message.
func (s *stream) grpcReply(m *header.Map, r *localReply) {
	m.Set(":status", "200")
	m.Set("content-type", "application/grpc")
	if m.Value("grpc-status") == "" {
		code := r.grpc
		if code < 0 || code > grpc.MaxCode {
			code = grpc.CodeOf(r.status)
		}
		m.Set("grpc-status", strconv.Itoa(code))
	}
	if r.body != "" && !s.isHead {
		m.Set("grpc-message", grpc.EncodeMessage(r.body))
	}
	m.Remove("content-length")
	r.body = ""
}

// sendLocalResponse answers the stream once the guest has returned. A second answer
// of the guest's is ignored.
func sendLocalResponse(v *vm, a []uint64) abi.Status {
	details, foundDetails := v.mem.text(a[1], a[2])
	body, foundBody := v.mem.text(a[3], a[4])
	headers, foundHeaders := v.mem.text(a[5], a[6])
	if !foundDetails || !foundBody || !foundHeaders {
		return abi.InvalidMemoryAccess
	}
	r := localReply{
		status: int(uint32(a[0])), body: body, headers: abi.UnmarshalPairs([]byte(headers)),
		grpc: int(int32(a[7])), details: strings.Join(strings.Fields(details), "_"),
	}
	if f := v.inEffect().filter; f != nil && !f.replied {
		f.replied = true
		v.afterCall = append(v.afterCall, func() { f.s.localReply(r) })
	}
	v.stopNext = true
	return abi.OK
}
