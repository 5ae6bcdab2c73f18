package flow

import "sync"

// Signal is the lock of a stream, and the means to wait for a change of it.
type Signal struct {
	cond sync.Cond
	over bool // the stream was reset or has ended
}

// NewSignal returns a signal that uses a lock which streams share.
func NewSignal(lock sync.Locker) *Signal { return &Signal{cond: sync.Cond{L: lock}} }

// Do calls f with the lock held.
func (s *Signal) Do(f func()) {
	s.cond.L.Lock()
	defer s.cond.L.Unlock()
	f()
}

// Wait waits for a change. The lock must be held; it is free meanwhile.
func (s *Signal) Wait() { s.cond.Wait() }

// Wake reports a change to all that wait.
func (s *Signal) Wake() { s.cond.Broadcast() }

// End reports that nothing passes any more.
func (s *Signal) End() {
	s.over = true
	s.Wake()
}
