package guest

import (
	"sync/atomic"
	"time"
)

// exitOverdue is the exit code of a module that the watchdog closed.
const exitOverdue = 0xc10ac

// watchdog ends a VM when one call into it takes longer than a limit. Envoy has no such limit:
// there the worker would hang.
type watchdog struct {
	entered atomic.Int64 // when the call began, in Unix nanoseconds; 0 if none runs
	stop    chan struct{}
	ended   bool
}

// watch starts the watchdog, which calls overdue in a goroutine of its own.
func (d *watchdog) watch(limit time.Duration, overdue func()) {
	d.stop = make(chan struct{})
	go func() {
		ticker := time.NewTicker(max(limit/4, time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-d.stop:
				return
			case now := <-ticker.C:
				if at := d.entered.Load(); at != 0 && now.UnixNano()-at > int64(limit) {
					overdue()
					return
				}
			}
		}
	}()
}

// watches reports whether the watchdog was started.
func (d *watchdog) watches() bool { return d.stop != nil }

// enter records that a call begins. outermost reports that no other call runs.
func (d *watchdog) enter() (outermost bool) {
	return d.entered.CompareAndSwap(0, time.Now().UnixNano())
}

// leave records that the outermost call has returned.
func (d *watchdog) leave() { d.entered.Store(0) }

// end stops the watchdog.
func (d *watchdog) end() {
	if d.stop != nil && !d.ended {
		d.ended = true
		close(d.stop)
	}
}
