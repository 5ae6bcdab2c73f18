package guest

import (
	"time"

	"cloakroom/hostsim/internal/clock"
)

// SetTick makes proxy_on_tick of a root context run every period; 0 stops it.
func (v *VM) SetTick(root *Context, period time.Duration) {
	root.tick.stop()
	root.tick.period = period
	if period > 0 {
		v.armTick(root)
	}
}

// armTick schedules the next call of proxy_on_tick.
func (v *VM) armTick(root *Context) {
	t := &root.tick
	var timer clock.Timer
	timer = v.Runtime.Clock.AfterFunc(t.period, func() {
		v.Thread.Do(func() {
			if t.timer != timer || t.period == 0 {
				return // SetTick was called while this call waited for the lock
			}
			v.Callback(root, v.Exports.tick, uint64(root.ID))
			if t.timer == timer && t.period > 0 && v.Failed == nil {
				v.armTick(root)
			}
		})
	})
	t.timer = timer
}
