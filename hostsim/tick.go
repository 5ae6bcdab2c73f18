package hostsim

import (
	"time"

	"cloakroom/hostsim/internal/clock"
)

// ticker calls proxy_on_tick of a root context; it is armed again after each call.
type ticker struct {
	period time.Duration
	timer  clock.Timer
}

func (t *ticker) stop() {
	t.period = 0
	if t.timer != nil {
		t.timer.Stop()
	}
}

func (v *vm) setTick(root *guestContext, period time.Duration) {
	root.tick.stop()
	root.tick.period = period
	if period > 0 {
		v.armTick(root)
	}
}

func (v *vm) armTick(root *guestContext) {
	t := &root.tick
	var timer clock.Timer
	timer = v.rt.Clock.AfterFunc(t.period, func() {
		v.worker.do(func() {
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
