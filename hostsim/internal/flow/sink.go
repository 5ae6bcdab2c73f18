// Package flow passes one direction of an HTTP stream through its filters. What follows a
// pause waits at the filter, and what has passed all filters waits for the next hop.
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
	aborted bool // by a local reply or a reset
}
