// Package flow is how one direction of an HTTP stream passes through its filters: what a
// filter pauses waits in front of it, and what has passed all of them waits for the next
// hop.
package flow

import "cloakroom/hostsim/internal/header"

// Sink is what a direction flows into: the next filter, or what comes after the last one.
// Its methods need the stream's lock.
type Sink interface {
	Headers(m *header.Map, end bool)
	Data(chunk []byte, end bool)
	Trailer(m *header.Map)
}

// state is what the parts of a direction share.
type state struct {
	aborted bool // a local reply or a reset took the place of this direction
}
