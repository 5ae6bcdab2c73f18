package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/header"
)

// guestContext is one context of the guest: a plugin's root context, or a stream's.
type guestContext struct {
	id     uint32
	root   *guestContext
	plugin *plugin      // of a root context
	filter streamFilter // nil for a root context

	// Of a root context only:
	callouts    *callout.State
	configuring bool
	tick        ticker
}

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

// newContext registers a context under the next free id.
func (v *vm) newContext(root *guestContext, f streamFilter) *guestContext {
	for v.lastID++; v.lastID == 0 || v.contexts[v.lastID] != nil; {
		v.lastID++
	}
	c := &guestContext{id: v.lastID, root: root, filter: f}
	if root == nil {
		c.root = c
		c.callouts = callout.NewState()
	}
	v.contexts[c.id] = c
	return c
}
