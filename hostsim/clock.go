package hostsim

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Clock is the source of a host's time: the guests' clock, ticks, the timeouts of
// callouts and routes, and the backoff of reloads.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f, in a goroutine of its choice, once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call of a Clock. Stop reports whether it prevented the call.
type Timer = interface{ Stop() bool }

// VirtualClock is a Clock that moves only when Advance is called. Requests and
// callouts still take real time; ticks, timeouts, delays and reloads follow this clock.
type VirtualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*virtualTimer // in the order of their times
}

type virtualTimer struct {
	clock *VirtualClock
	at    time.Time
	f     func()
}

// NewVirtualClock returns a clock whose time is start.
func NewVirtualClock(start time.Time) *VirtualClock { return &VirtualClock{now: start} }

// Now returns the clock's time.
func (c *VirtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc schedules f; Advance calls it.
func (c *VirtualClock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &virtualTimer{c, c.now.Add(d), f}
	at, _ := slices.BinarySearchFunc(c.timers, t, func(a, b *virtualTimer) int {
		return cmp.Or(a.at.Compare(b.at), -1) // after those of the same time
	})
	c.timers = slices.Insert(c.timers, at, t)
	return t
}

// Stop implements Timer.
func (t *virtualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	i := slices.Index(t.clock.timers, t)
	if i < 0 {
		return false
	}
	t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
	return true
}

// Advance moves the clock forward by d. It calls what is due meanwhile, one call after
// the other and each at its time, before it returns.
func (c *VirtualClock) Advance(d time.Duration) {
	end := c.Now().Add(d)
	for {
		f := c.due(end)
		if f == nil {
			return
		}
		f()
	}
}

// due removes the first timer that is due by end, moves the clock to its time and
// returns its call. Without one it moves the clock to end and returns nil.
func (c *VirtualClock) due(end time.Time) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 || c.timers[0].at.After(end) {
		c.now = end
		return nil
	}
	next := c.timers[0]
	c.timers = slices.Delete(c.timers, 0, 1)
	c.now = next.at
	return next.f
}
