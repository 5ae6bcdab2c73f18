package main

import (
	"context"
	"iter"
	"time"
)

// task is a request that a replica works on: a coroutine, which waits in virtual time
// wherever the service waits for its store or its feed.
type task struct {
	w       *world
	r       *replica
	next    func() (time.Duration, bool)
	stop    func()
	yield   func(time.Duration) bool
	dead    bool
	waiting uint64 // counts its pauses: only the last can end
	ended   func()
	died    func() // nil: that the replica died tells nothing
}

// spawn starts a task; ended is called when it is over, unless its replica dies first.
func (r *replica) spawn(run func(), ended func()) *task {
	t := &task{w: r.w, r: r, ended: ended}
	t.next, t.stop = iter.Pull(func(yield func(time.Duration) bool) {
		t.yield = yield
		run()
	})
	r.tasks = append(r.tasks, t)
	t.step()
	return t
}

// step has the task go on until it waits again.
func (t *task) step() {
	if t.dead {
		return
	}
	if thaw := t.r.frozenUntil; thaw > t.w.now {
		t.wake(thaw - t.w.now)
		return
	}
	before := t.w.current
	t.w.current = t
	d, more := t.next()
	t.w.current = before
	if !more {
		t.r.drop(t)
		t.ended()
		return
	}
	t.wake(d)
}

// wake has the task go on d from now, and not at the time that it chose itself.
func (t *task) wake(d time.Duration) {
	t.waiting++
	n := t.waiting
	t.w.after(d, func() {
		if t.waiting == n {
			t.step()
		}
	})
}

// pause waits in virtual time; false: the replica has died meanwhile.
func (t *task) pause(d time.Duration) bool {
	if t.dead || !t.yield(d) {
		t.dead = true
	}
	return !t.dead
}

// kill ends a task where it waits: what it would have done is not done.
func (t *task) kill() {
	t.dead = true
	t.waiting++
	before := t.w.current
	t.w.current = t
	t.stop()
	t.w.current = before
	if t.died != nil {
		t.w.after(0, t.died)
	}
}

// each calls do for each of 0 to n-1, a coroutine each, in turns that are drawn.
func (r *replica) each(n int, do func(i int)) {
	t := r.w.current
	outer := t.yield
	type lane struct {
		next  func() (time.Duration, bool)
		yield func(time.Duration) bool
	}
	lanes := make([]*lane, n)
	for i := range lanes {
		l := &lane{}
		l.next, _ = iter.Pull(func(yield func(time.Duration) bool) {
			l.yield = yield
			t.yield = yield
			do(i)
		})
		lanes[i] = l
	}
	for len(lanes) > 0 {
		i := int(r.w.draw(forLane) % uint64(len(lanes)))
		t.yield = lanes[i].yield
		d, more := lanes[i].next()
		if !more {
			lanes = append(lanes[:i], lanes[i+1:]...)
			continue
		}
		if t.yield = outer; !t.pause(d) {
			continue // dead: the lanes end without a pause
		}
	}
	t.yield = outer
}

// Labels of what is drawn.
const (
	forLane uint64 = iota
	forStore
	forFeed
	forNetwork
	forReplica
	forBrowser
	forKey
	forTick
	forDjango
)

// deadline is a context that ends in virtual time.
type deadline struct {
	context.Context
	w        *world
	at       time.Duration
	canceled bool
}

// withTimeout is context.WithTimeout in virtual time.
func (w *world) withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := &deadline{ctx, w, w.now + d, false}
	if outer, ok := ctx.(*deadline); ok {
		c.at = min(c.at, outer.at)
	}
	return c, func() { c.canceled = true }
}

// Deadline implements context.Context.
func (c *deadline) Deadline() (time.Time, bool) { return start.Add(c.at), true }

// Err implements context.Context.
func (c *deadline) Err() error {
	switch {
	case c.canceled:
		return context.Canceled
	case c.w.now >= c.at:
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

// until returns for how long a context still lasts.
func (w *world) until(ctx context.Context) time.Duration {
	if c, ok := ctx.(*deadline); ok {
		return max(0, c.at-w.now)
	}
	return time.Hour
}
