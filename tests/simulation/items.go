package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// config is the filter's configuration.
func (p *plan) config() string {
	cache, unavailable, cycle := "", "deny", ""
	if p.cache {
		cache = fmt.Sprintf(`,"cache":{"ttl":%q,"stale":%q}`, p.ttl, stale)
	}
	if p.stale && p.cache {
		unavailable = "stale"
	}
	if p.cycle {
		cycle = `,"cycle_every":"1h","cycle_grace":"1m"`
	}
	pages, visits := p.tokenConfig()
	return fmt.Sprintf(`{
		"engine":{"service":{"cluster":"sessions","timeout":"400ms","token":%q%s}},
		"cookie":{"secure":false},"logout":{"path":"/logout/"},"identity":{"data_keys":["*"]%s},"accept_updates":true,
		"end_streams":%v,"on_unavailable":%q,"expiry":{"save_every_request":%v%s},
		"routes":{"visit":{"mode":"optional"%s}}}`, token, cache, pages, p.endStreams && p.cache, unavailable, p.slide, cycle, visits)
}

// begin has an item of the plan happen.
func (w *world) begin(it *item) {
	switch {
	case it.kind.fault():
		w.breaks(it)
	case it.kind == leave:
		for i := len(w.requests) - 1; i >= 0; i-- {
			if r := w.requests[i]; r.b.n == it.browser && !r.done && !r.opened {
				r.leave()
				return
			}
		}
	case it.kind == storm:
		for range stormy {
			one := *it
			one.kind = page
			w.browsers[it.browser].ask(&one)
		}
	case it.kind == again:
		if past := w.browsers[it.browser].past; len(past) > 0 {
			one := *it
			one.kind = page
			copied := *w.browsers[it.browser]
			copied.cookie = past[w.draw(forBrowser)%uint64(len(past))]
			copied.ask(&one)
		}
	case it.kind <= password:
		w.browsers[it.browser].ask(it)
	default:
		w.operator(it)
	}
}

// stormy is how many pages a storm asks for: more than one callback of the host goes on with.
const stormy = 40

// operator does what somebody does beside the proxy.
func (w *world) operator(it *item) {
	b, o := w.browsers[it.browser], w.oracle
	l, r := o.lineageOf(b.cookie), w.replicas[it.replica]
	switch it.kind {
	case deactivate:
		o.accounts[b.user].active = false
		if w.plan.acct {
			w.tell("operator", "makes %s inactive", b.user)
			o.allOf(b.user, func(l *lineage) { o.end(l, byHand, "its user is inactive") })
		}
	case deleteRow:
		for _, key := range o.keysOf(l) {
			w.tell("operator", "deletes the row of %s", o.name(key))
			w.store.django(func() { w.store.delete(key) }, key)
		}
		o.end(l, byHand, "its rows were deleted")
	case revokeUser:
		if r.down {
			return
		}
		w.tell("operator", "ends all sessions of %s at replica %d", b.user, it.replica)
		o.allOf(b.user, o.endsFrom)
		asked := w.now
		o.flushing[b.user]++
		r.call("/v1/flush", fmt.Sprintf(`{"user":%q}`, b.user), func(status int, _ string) {
			o.flushing[b.user]--
			if status == 200 {
				o.allOf(b.user, func(l *lineage) {
					if l.since < asked {
						o.end(l, byService, "all of its user's were ended")
					}
				})
			}
		})
	case revokeKey:
		if r.down || l == nil {
			return
		}
		w.tell("operator", "ends %s at replica %d", o.name(b.cookie), it.replica)
		o.endsFrom(l)
		r.call("/v1/flush", fmt.Sprintf(`{"key":%q}`, b.cookie), func(status int, _ string) {
			if status == 200 {
				o.end(l, byService, "it was ended by an operator")
			}
		})
	}
}

// keysOf returns the keys under which a session is stored.
func (o *oracle) keysOf(l *lineage) (keys []string) {
	for v, err := range o.w.store.rows.All(context.Background()) {
		if err == nil && l != nil && o.has(l, strings.Trim(member(members(v), "tag"), `"`)) {
			keys = append(keys, v.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// breaks has something go wrong, and be well again later.
func (w *world) breaks(it *item) {
	e, r := w.envoys[it.envoy], w.replicas[it.replica]
	w.tell("FAULT", "%s for %s (envoy %d.%d, replica %d, %s)", kindNames[it.kind], it.lasts, it.envoy, it.worker, it.replica, it.jump)
	until := w.now + it.lasts
	w.stats.faults[it.kind]++
	switch it.kind {
	case cut, loseAnswers, reset, slow, repeat:
		e.links[it.replica].faults[it.kind] = max(until, e.links[it.replica].faults[it.kind])
	case unsent, deaf:
		e.faults[it.kind] = max(until, e.faults[it.kind])
	case feedLost:
		w.feed.lose()
	case killReplica:
		if !r.down {
			r.die()
			w.after(it.lasts, r.begin)
		}
	case freezeReplica:
		r.frozenUntil = max(until, r.frozenUntil)
	case killWorker:
		if v := e.vms[it.worker]; !v.dead {
			v.fail()
			w.after(min(it.lasts, time.Second), func() {
				if v.dead && !e.down && e.vms[it.worker] == v {
					e.newVM(it.worker)
				}
			})
		}
	case killEnvoy:
		if !e.down {
			e.die()
			w.after(it.lasts, e.begin)
		}
	case envoyJumps:
		e.clock.offset += it.jump
	case replicaJumps:
		r.clock.offset += it.jump
	default:
		r.faults[it.kind] = max(until, r.faults[it.kind])
	}
}
