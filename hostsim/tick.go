package hostsim

import (
	"time"

	"cloakroom/hostsim/internal/clock"
)

// setTick calls proxy_on_tick of root every period; 0 ends it.
func (v *vm) setTick(root *guestContext, period time.Duration) {
	root.tick.stop()
	root.tick.period = period
	if period > 0 {
		v.armTick(root)
	}
}

// armTick schedules the next call of proxy_on_tick.
func (v *vm) armTick(root *guestContext) {
	t := &root.tick
	var timer clock.Timer
	timer = v.rt.Clock.AfterFunc(t.period, func() {
		v.thread.do(func() {
			if t.timer != timer || t.period == 0 {
				return // set anew while this one waited for the lock
			}
			v.enter(root, v.exports.tick, uint64(root.id))
			if t.timer == timer && t.period > 0 && v.failed == nil {
				v.armTick(root)
			}
		})
	})
	t.timer = timer
}
