package guest

import (
	"time"

	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/clock"
)

// Context is one context of the guest: the root context of a plugin, or that of a stream.
type Context struct {
	ID     uint32
	Root   *Context // of a root context: itself
	Plugin *Plugin  // nil for a stream
	Filter Filter   // nil for a root context

	// Of a root context only:
	Callouts    *callout.State
	Configuring bool // proxy_on_configure runs
	tick        ticker
}

// ticker is the tick of a root context. Each call of proxy_on_tick schedules the next.
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
