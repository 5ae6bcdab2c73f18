package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// streamFilter is what host calls reach of an HTTP stream: one plugin on it. All methods
// need the worker's lock. kind is a map or buffer type of the ABI.
type streamFilter interface {
	// liveMap returns the header map that the guest may change now, or nil.
	liveMap(kind uint32) *header.Map
	// readableMap returns the header map that the guest may read now, or nil.
	readableMap(kind uint32) *header.Map
	// body returns the buffered bytes of a body, or nil if the guest may not use them now.
	body(kind uint32) *[]byte
	// logging reports whether proxy_on_log runs.
	logging() bool
	// property returns the value at a path of the stream's attributes.
	property(path []string) (value any, found bool)
	// setState stores a value of filter state for the rest of the stream.
	setState(name, value string)
	// clearRoute makes the stream choose its route again.
	clearRoute()
	// resume continues the request or the response once the guest has returned, and
	// ends the use of the request's header maps.
	resume(kind uint32)
	// reset cuts the stream once the guest has returned.
	reset()
	// reply answers the stream once the guest has returned, unless the guest has
	// answered it already.
	reply(localReply)
	// ended returns a channel that is closed at the end of the stream.
	ended() <-chan struct{}
}

// localReply is a response that does not come from the upstream.
type localReply struct {
	status  int
	body    string
	headers []abi.Pair
	grpc    int // 0 to 16; otherwise it follows from the HTTP status
	details string
}
