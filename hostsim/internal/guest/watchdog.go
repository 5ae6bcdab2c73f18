package guest

import (
	"sync/atomic"
	"time"
)

// exitOverdue is the code with which a module is closed that ran for too long.
const exitOverdue = 0xc10ac

// watchdog closes a VM's module when one call into it takes longer than a
// limit. Envoy knows no limit: there the worker would hang.
type watchdog struct {
	entered atomic.Int64 // when the guest was entered, in Unix nanoseconds; 0: it does not run
	stop    chan struct{}
	ended   bool
}

// watch begins to watch; overdue runs in a goroutine of its own.
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

// watches reports whether there is a limit at all.
func (d *watchdog) watches() bool { return d.stop != nil }

// enter notes that the guest is entered; outermost, unless a call into it is
// under way already.
func (d *watchdog) enter() (outermost bool) {
	return d.entered.CompareAndSwap(0, time.Now().UnixNano())
}

func (d *watchdog) leave() { d.entered.Store(0) }

// end stops watching.
func (d *watchdog) end() {
	if d.stop != nil && !d.ended {
		d.ended = true
		close(d.stop)
	}
}
