package hostsim

import "sync"

// thread is one worker thread of Envoy: its lock is held while one of its VMs runs.
type thread struct {
	mu    sync.Mutex
	index int // from 0 on; -1: none of the host's workers, for trials
}

// do calls f with the lock held.
func (t *thread) do(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}
