package hostsim

import (
	"time"

	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/clock"
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
