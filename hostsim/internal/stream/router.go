package stream

import (
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
)

// findRoute selects the route by the current request headers.
func (s *Stream) findRoute() {
	s.routed, s.route = true, nil
	path, _, _ := strings.Cut(s.requestHeaders.Value(":path"), "?")
	for i := range s.proxy.Routes {
		r := &s.proxy.Routes[i]
		if r.Path != "" && path == r.Path || r.Path == "" && r.Prefix != "" && strings.HasPrefix(path, r.Prefix) {
			s.route = r
			return
		}
	}
}

// forwardRequest sends the request, whose headers have passed the filters, to the cluster of
// its route.
func (s *Stream) forwardRequest() {
	if !s.routed {
		s.findRoute()
	}
	if s.route == nil {
		s.reply(guest.LocalReply{Status: 404, GRPC: grpc.NoCode, Details: "route_not_found"})
		return
	}
	c := s.proxy.Clusters[s.route.Cluster]
	if c == nil {
		s.reply(guest.LocalReply{Status: 503, GRPC: grpc.NoCode, Details: "cluster_not_found"})
		return
	}
	for _, name := range []string{":method", ":path", ":authority"} {
		if _, found := s.requestHeaders.Get(name); !found {
			s.reply(guest.LocalReply{Status: 503, GRPC: grpc.NoCode, Details: "filter_removed_required_request_headers",
				Body: "missing required header: " + name})
			return
		}
	}
	if s.route.Timeout > 0 && !s.upgrade {
		s.requestHeaders.Set("x-envoy-expected-rq-timeout-ms", strconv.FormatInt(s.route.Timeout.Milliseconds(), 10))
	}
	req := s.upstreamRequest(c)
	if req.Body == nil {
		s.startTimeout()
	}
	s.proxy.Running.Go(func() { s.runUpstream(c, req) })
}
