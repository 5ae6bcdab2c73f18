package hostsim

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Clock is the time that a host goes by: the guests' clock, ticks, the time-outs of
// callouts and routes, and reloads.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f, in whatever goroutine, when d is over.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that a Clock is to make. Stop reports whether it was in time.
type Timer interface{ Stop() bool }

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now() }

func (machineClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// VirtualClock stands still until it is told to go on. Requests and callouts go
// their real ways meanwhile; only what waits for the time waits for the clock.
type VirtualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*virtualTimer // the next first
}

type virtualTimer struct {
	clock *VirtualClock
	at    time.Time
	f     func()
}

// NewVirtualClock makes a clock that stands at start.
func NewVirtualClock(start time.Time) *VirtualClock { return &VirtualClock{now: start} }

// Now gives the time at which the clock stands.
func (c *VirtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc notes f, which Advance will call.
func (c *VirtualClock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &virtualTimer{c, c.now.Add(d), f}
	at, _ := slices.BinarySearchFunc(c.timers, t, func(a, b *virtualTimer) int {
		return cmp.Or(a.at.Compare(b.at), -1) // behind those of the same time
	})
	c.timers = slices.Insert(c.timers, at, t)
	return t
}

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

// Advance lets d pass. What falls due on the way is called, one after the other
// and each at its time, before Advance returns.
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

// due takes the next timer up to end and moves the clock there, or to the end.
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
