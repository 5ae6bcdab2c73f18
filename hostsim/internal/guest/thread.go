package guest

import "sync"

// thread is one worker thread of Envoy: its lock is held while one of its VMs runs.
type thread struct {
	Mu    sync.Mutex
	index int // from 0 on; -1 for base VMs and canaries
}

// Do calls f with the lock held.
func (t *thread) Do(f func()) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	f()
}
