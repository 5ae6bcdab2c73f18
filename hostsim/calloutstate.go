package hostsim

import "context"

// calloutState holds the callouts of one root context.
type calloutState struct {
	http map[uint32]context.CancelCauseFunc // pending calls, by token
	grpc map[uint32]*grpcCallout            // pending calls and streams, by token

	response *calloutResponse // during proxy_on_http_call_response
	event    *grpcCallout     // during a gRPC callback

	// What proxy_get_status returns.
	statusCode    uint32
	statusMessage string
}

func newCalloutState() *calloutState {
	return &calloutState{http: map[uint32]context.CancelCauseFunc{}, grpc: map[uint32]*grpcCallout{}}
}

// cancelAll ends all callouts. The guest gets no callback for them.
func (s *calloutState) cancelAll() {
	for token, cancel := range s.http {
		cancel(context.Canceled)
		delete(s.http, token)
	}
	for token, g := range s.grpc {
		g.end()
		delete(s.grpc, token)
	}
}
