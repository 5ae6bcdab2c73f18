// Package clock is the source of a host's time.
package clock

import "time"

// Clock returns the time and schedules calls: hostsim.Clock.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its choice once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call of a Clock. Stop reports whether it prevented the call.
//
// It is an alias, so that a type that implements hostsim.Clock implements Clock.
type Timer = interface{ Stop() bool }

// System is the clock of the operating system.
type System struct{}

// Now returns the current time.
func (System) Now() time.Time { return time.Now() }

// AfterFunc calls f in a goroutine of its own once d has passed.
func (System) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
