package flow

import "sync"

// Signal is the lock of a stream, with which goroutines wait for a change of the stream.
type Signal struct {
	cond sync.Cond
	over bool // the stream was reset or has ended
}

// NewSignal returns a signal for a stream that lock guards.
func NewSignal(lock sync.Locker) *Signal { return &Signal{cond: sync.Cond{L: lock}} }

// Do calls f with the lock held.
func (s *Signal) Do(f func()) {
	s.cond.L.Lock()
	defer s.cond.L.Unlock()
	f()
}

// Wait waits for the next Wake. The lock must be held; Wait releases it meanwhile.
func (s *Signal) Wait() { s.cond.Wait() }

// Wake wakes all that wait.
func (s *Signal) Wake() { s.cond.Broadcast() }

// End marks the stream as over and wakes all that wait. The lock must be held.
func (s *Signal) End() {
	s.over = true
	s.Wake()
}
