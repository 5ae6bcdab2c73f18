// Package callout implements the HTTP and gRPC callouts of guests.
package callout

import "context"

// State holds the callouts of one root context.
type State struct {
	HTTP map[uint32]context.CancelCauseFunc // pending calls, by token
	GRPC map[uint32]*GRPC                   // pending calls and streams, by token

	Response *Response // set during proxy_on_http_call_response
	Event    *GRPC     // the callout of the gRPC callback that runs, or nil

	// What proxy_get_status returns.
	StatusCode    uint32
	StatusMessage string
}

// NewState returns a state without callouts.
func NewState() *State {
	return &State{HTTP: map[uint32]context.CancelCauseFunc{}, GRPC: map[uint32]*GRPC{}}
}

// CancelAll ends all callouts. The guest gets no callback for them.
func (s *State) CancelAll() {
	for token, cancel := range s.HTTP {
		cancel(context.Canceled)
		delete(s.HTTP, token)
	}
	for token, g := range s.GRPC {
		g.End()
		delete(s.GRPC, token)
	}
}
