package guest

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// Filter is a plugin on an HTTP stream, as far as host calls use it. Its methods need the
// worker's lock. kind is a map, buffer or stream type of the ABI.
type Filter interface {
	// LiveMap returns the header map that the guest may change now, or nil.
	LiveMap(kind uint32) *header.Map
	// ReadableMap returns the header map that the guest may read now, or nil.
	ReadableMap(kind uint32) *header.Map
	// Body returns the buffered bytes of a body, or nil if the guest may not use them now.
	Body(kind uint32) *[]byte
	// Logging reports whether proxy_on_log runs.
	Logging() bool
	// Property returns the value of the stream's attributes at a path, which is not empty.
	Property(path []string) (value any, found bool)
	// SetState stores a value of filter state for the rest of the stream.
	SetState(name, value string)
	// ClearRoute makes the stream select its route again before the request is forwarded.
	ClearRoute()
	// Resume continues the request or the response once the guest has returned, and
	// ends the use of the request's header maps.
	Resume(kind uint32)
	// Reset resets the stream once the guest has returned.
	Reset()
	// Reply answers the stream once the guest has returned, unless the guest has
	// answered it already.
	Reply(LocalReply)
	// Ended returns a channel that is closed at the end of the stream.
	Ended() <-chan struct{}
}

// LocalReply is a response that does not come from the upstream.
type LocalReply struct {
	Status  int
	Body    string
	Headers []abi.Pair
	GRPC    int    // the gRPC code from 0 to 16; any other number derives it from Status
	Details string // attribute response.code_details
}
