package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"cloakroom/filter"
	"cloakroom/filter/worker"
)

// callout is a request of a VM's to the session service, on its way.
type callout struct {
	v    *vm
	n    int // in the history
	call *worker.Call
	path string
	body string
	over bool // it was answered, or has no callback any more
	ctx  []*deadline
}

// dispatch sends a callout; false where Envoy refuses to.
func (v *vm) dispatch(c *worker.Call) bool {
	w := v.w
	if v.e.faults[unsent] > w.now && w.chance(40, forNetwork, uint64(v.e.n)) {
		w.stats.faults[unsent]++
		w.tell(v.String(), "cannot send a %s", c.Path)
		return false
	}
	w.stats.callouts++
	call := &callout{v: v, n: w.stats.callouts, call: c, path: c.Path, body: strings.Clone(c.Body)}
	v.calls = append(v.calls, call)
	w.after(c.Timeout, func() { call.finish("504", "upstream request timeout") })
	call.send(int(w.draw(forNetwork)%uint64(len(w.replicas))), true)
	return true
}

// send sends it to a replica, or, where that is away, once more to another.
func (c *callout) send(to int, again bool) {
	w := c.v.w
	r := w.replicas[to]
	if c.path != "/v1/feed" {
		w.tell(c.v.String(), "sends callout %d to replica %d: %s %s", c.n, to, c.path, w.oracle.named(strings.ReplaceAll(strings.TrimSpace(c.body), "\n", "; ")))
	}
	if c.path == "/v1/feed" && c.v.e.faults[deaf] > w.now {
		w.stats.faults[deaf]++
		return
	}
	if r.down {
		w.after(w.between(50*time.Microsecond, time.Millisecond, forNetwork, 1), func() {
			if again {
				c.send((to+1)%len(w.replicas), false)
				return
			}
			c.finish("503", "upstream connect error or disconnect/reset before headers")
		})
		return
	}
	l := &c.v.e.links[to]
	if l.suffers(w, repeat, 30) {
		c.arrive(r, l, w.between(100*time.Microsecond, 100*time.Millisecond, forNetwork, 2))
	}
	if l.suffers(w, cut, 100) {
		if w.chance(25, forNetwork, 3) { // it is sent again when the link is whole
			c.arrive(r, l, l.faults[cut]-w.now)
		}
		return
	}
	c.arrive(r, l, c.transit(l))
}

// transit is how long a message takes.
func (c *callout) transit(l *link) time.Duration {
	w := c.v.w
	if l.suffers(w, slow, 40) {
		return w.between(5*time.Millisecond, 1500*time.Millisecond, forNetwork, 4)
	}
	return w.between(50*time.Microsecond, 4*time.Millisecond, forNetwork, 5)
}

func (l *link) suffers(w *world, k kind, percent uint64) bool {
	if l.faults[k] <= w.now || !w.chance(percent, forNetwork, uint64(k)) {
		return false
	}
	w.stats.faults[k]++
	return true
}

// arrive has the replica work on it, after what it takes to get there.
func (c *callout) arrive(r *replica, l *link, transit time.Duration) {
	w := c.v.w
	w.after(transit, func() {
		if r.down {
			c.finish("503", "upstream connect error or disconnect/reset before headers")
			return
		}
		outer, _ := w.withTimeout(context.Background(), time.Hour)
		ctx := outer.(*deadline)
		c.ctx = append(c.ctx, ctx)
		if c.over { // the stream was reset long ago; the replica has not noticed yet
			w.after(w.between(0, 5*time.Millisecond, forNetwork, 6), func() { ctx.canceled = true })
		}
		task := r.serve(c.path, c.body, ctx, func(status int, body string) { c.back(l, status, body) })
		task.died = func() {
			c.finish("503", "upstream connect error or disconnect/reset before headers. reset reason: connection termination")
		}
		if l.suffers(w, reset, 30) {
			w.after(w.between(0, 20*time.Millisecond, forNetwork, 7), func() {
				ctx.canceled = true
				c.finish([]string{"503", ""}[w.draw(forNetwork, 8)%2], "")
			})
		}
	})
}

// back carries the response back.
func (c *callout) back(l *link, status int, body string) {
	w := c.v.w
	if c.path != "/v1/feed" {
		w.tell("service", "answers callout %d: %d %s", c.n, status, w.oracle.named(strings.ReplaceAll(strings.TrimSpace(body), "\n", "; ")))
	}
	if l.suffers(w, cut, 100) || l.suffers(w, loseAnswers, 70) {
		return
	}
	w.after(c.transit(l), func() { c.finish(strconv.Itoa(status), body) })
}

// finish hands the response to the VM, in memory that is spoilt afterwards.
func (c *callout) finish(status, body string) {
	v := c.v
	if c.over {
		return
	}
	c.over = true
	for i, other := range v.calls {
		if other == c {
			v.calls = append(v.calls[:i], v.calls[i+1:]...)
			break
		}
	}
	w := v.w
	if status != "200" {
		w.tell(v.String(), "has no answer to callout %d: %q", c.n, status)
		for _, ctx := range c.ctx {
			w.after(w.between(0, 5*time.Millisecond, forNetwork, 9), func() { ctx.canceled = true })
		}
	}
	memory := []byte(body)
	v.perform(v.worker.CalloutDone(c.call, filter.Answer{Status: status, Body: unsafe.String(unsafe.SliceData(memory), len(memory))}, v.now()), nil, 0)
	for i := range memory {
		memory[i] = '!'
	}
}

// parsedURL returns a path as a URL.
func parsedURL(path string) *url.URL { return &url.URL{Path: path} }
