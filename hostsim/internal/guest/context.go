package guest

import (
	"time"

	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/clock"
)

// Context is one context of the guest: a plugin's root context, or a stream's.
type Context struct {
	ID     uint32
	Root   *Context
	Plugin *Plugin // of a root context
	Filter Filter  // nil for a root context

	// Of a root context only:
	Callouts    *callout.State
	Configuring bool
	tick        ticker
}

// ticker calls proxy_on_tick of a root context; it is armed again after each call.
type ticker struct {
	period time.Duration
	timer  clock.Timer
}

func (t *ticker) stop() {
	t.period = 0
	if t.timer != nil {
		t.timer.Stop()
	}
}
