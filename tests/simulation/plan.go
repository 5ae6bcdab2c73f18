package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// kind is what an item of a plan is.
type kind uint8

// What browsers, Django and operators do, then what goes wrong.
const (
	page         kind = iota // a page that needs a session
	visit                    // a page that shows more to whom it knows
	set                      // a service stores something in the session
	login                    // a service logs the browser in
	logout                   // the filter's logout
	flush                    // a service logs the browser out
	open                     // a stream that stays open
	leave                    // the browser goes away while a request is under way
	djangoLogin              // Django's login
	djangoLogout             // Django's logout
	djangoSave               // a Django view that stores something
	djangoCycle              // request.session.cycle_key()
	password                 // the password is changed in Django
	revokeUser               // an operator ends all sessions of a user
	revokeKey                // an operator ends one session
	deleteRow                // somebody deletes a row by hand
	deactivate               // an account is made inactive
	storm                    // a browser asks for many pages at once
	again                    // somebody asks with a key that a browser has had

	cut         // between an Envoy and a replica nothing passes
	loseAnswers // requests pass, responses do not
	reset       // connections are reset after the request
	slow        // what is sent takes long
	repeat      // requests are carried out twice
	unsent      // Envoy refuses to send callouts
	storeFails  // the store answers with errors
	storeHangs  // the store does not answer
	storeLies   // the store does what it is told and says that it failed
	storeSlow   // the store takes long
	feedFails   // the feed answers with errors
	feedSleeps  // events wake no one that waits
	feedLost    // the feed loses all its events
	deaf        // an Envoy's polls of the feed get no answer
	killReplica
	freezeReplica
	killWorker
	killEnvoy
	envoyJumps   // an Envoy's clock jumps
	replicaJumps // a replica's does
	numKinds

	firstFault = cut
)

var kindNames = [numKinds]string{
	page: "page", visit: "visit", set: "set", login: "login", logout: "logout", flush: "flush", open: "open", leave: "leave",
	djangoLogin: "django login", djangoLogout: "django logout", djangoSave: "django save", djangoCycle: "django cycle_key",
	password: "password", revokeUser: "revoke user", revokeKey: "revoke session", deleteRow: "delete row", deactivate: "deactivate", storm: "storm", again: "again",
	cut: "cut", loseAnswers: "lose answers", reset: "reset", slow: "slow", repeat: "repeat", unsent: "unsent",
	storeFails: "store fails", storeHangs: "store hangs", storeLies: "store lies", storeSlow: "store slow", feedFails: "feed fails", feedSleeps: "feed sleeps",
	feedLost: "feed lost", deaf: "deaf", killReplica: "kill replica", freezeReplica: "freeze replica", killWorker: "kill worker",
	killEnvoy: "kill envoy", envoyJumps: "envoy's clock jumps", replicaJumps: "replica's clock jumps",
}

func (k kind) fault() bool { return k >= firstFault }

// item is one thing that is to happen.
type item struct {
	at, lasts                       time.Duration
	kind                            kind
	browser, envoy, worker, replica int
	jump                            time.Duration
}

func (it *item) String() string {
	if !it.kind.fault() {
		return fmt.Sprintf("%s %s by browser %d at envoy %d worker %d", stamp(it.at), kindNames[it.kind], it.browser, it.envoy, it.worker)
	}
	return fmt.Sprintf("%s %s for %s: envoy %d worker %d, replica %d, jump %s", stamp(it.at), kindNames[it.kind], it.lasts, it.envoy, it.worker, it.replica, it.jump)
}

// plan is what a seed becomes: a history follows from it alone.
type plan struct {
	seed                                                 uint64
	envoys, workers, replicas, browsers                  int
	cache, stale, endStreams, cycle, slide, acct, tokens bool
	ttl                                                  time.Duration
	items                                                []item
}

func (p *plan) String() string {
	return fmt.Sprintf("seed %d: %d envoys of %d workers, %d replicas, %d browsers; cache %v (ttl %s, stale %v), end_streams %v, cycle %v, save_every_request %v, accounts %v, tokens %v",
		p.seed, p.envoys, p.workers, p.replicas, p.browsers, p.cache, p.ttl, p.stale, p.endStreams, p.cycle, p.slide, p.acct, p.tokens)
}

// length is how long a plan's history is.
func (p *plan) length() time.Duration {
	var end time.Duration
	for _, it := range p.items {
		end = max(end, it.at+it.lasts)
	}
	return end + settling
}

// planned returns the plan of a seed.
func planned(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(n int) int { return r.IntN(n) }
	p := &plan{
		seed: seed, envoys: 1 + pick(2), workers: 1 + pick(2), replicas: 1 + pick(2), browsers: 1 + pick(3),
		cache: pick(4) > 0, endStreams: pick(2) == 0, cycle: pick(3) == 0, slide: pick(4) == 0, acct: pick(2) == 0,
		ttl: []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}[pick(3)],
	}
	p.stale = p.cache && pick(4) == 0
	length := time.Duration(1+pick(7)) * time.Second
	d := drawing{plan: p, r: r, length: length}
	for range 1 + pick(3) {
		d.moments = append(d.moments, time.Duration(r.Int64N(int64(length))))
	}
	d.choose()
	for range 6 + pick(30) {
		p.items = append(p.items, d.action())
	}
	for _, it := range p.items {
		if it.kind == login || it.kind == logout || it.kind == flush || it.kind >= djangoLogin && it.kind < storm {
			p.items = append(p.items, d.followers(it)...)
		}
	}
	if p.cycle && pick(2) == 0 {
		p.items = append(p.items, d.opening()...)
	}
	if pick(4) == 0 {
		p.items = append(p.items, d.rush()...)
	}
	for range [...]int{0, 1, 1, 2, 3, 5}[pick(6)] {
		p.items = append(p.items, d.fault())
	}
	p.tokens = pick(2) == 0
	slices.SortStableFunc(p.items, func(a, b item) int { return int(a.at - b.at) })
	return p
}

// drawing is what a plan is drawn from.
type drawing struct {
	*plan
	r       *rand.Rand
	length  time.Duration
	moments []time.Duration // at which much happens at once
	kinds   []kind          // of actions
	faults  []kind
}

// choose draws what the history is of: in one of two a few kinds of things alone, which then
// come together often.
func (p *drawing) choose() {
	few, weights := p.r.IntN(2) == 0, map[kind]int{}
	for _, k := range actions {
		if _, drawn := weights[k]; !drawn {
			weights[k] = 1
			if few {
				weights[k] = p.r.IntN(4) / 3
			}
		}
		for range weights[k] {
			p.kinds = append(p.kinds, k)
		}
	}
	for k := firstFault; k < numKinds; k++ {
		if !few || p.r.IntN(5) == 0 {
			p.faults = append(p.faults, k)
		}
	}
}

// actions are drawn from, each as often as it is here.
var actions = slices.Concat(
	slices.Repeat([]kind{page}, 8), slices.Repeat([]kind{visit, set}, 4), slices.Repeat([]kind{login, open, djangoSave, logout}, 3),
	[]kind{flush, leave, leave, djangoLogin, djangoLogout, djangoCycle, password, revokeUser, revokeKey, deleteRow, deactivate, storm},
)

func (p *drawing) action() item {
	it := p.somewhere()
	it.kind = page
	if len(p.kinds) > 0 && p.r.IntN(4) > 0 {
		it.kind = p.kinds[p.r.IntN(len(p.kinds))]
	}
	if p.r.IntN(2) == 0 {
		it.at = 500*time.Millisecond + p.moments[p.r.IntN(len(p.moments))] + time.Duration(p.r.IntN(40_000))*time.Microsecond
	}
	return it
}

// followers ask with the key of a session that may have ended, some time later and elsewhere. In
// some histories they ask where the session was cached shortly before, or is being looked up, and
// something is wrong that keeps the end from being told there.
func (p *drawing) followers(it item) (all []item) {
	r := p.r
	there, prepared := p.somewhere(), r.IntN(3) == 0
	for range r.IntN(4) {
		f := p.somewhere()
		if prepared {
			f = there
		}
		f.kind, f.browser = again, it.browser
		f.at = it.at + time.Duration(r.Int64N(int64(6*time.Second)))
		all = append(all, f)
	}
	if !prepared {
		return all
	}
	before, wrong := there, p.fault()
	before.kind, before.browser = page, it.browser
	before.at = it.at - time.Duration(r.IntN(100_000))*time.Microsecond
	if r.IntN(2) == 0 {
		before.at = it.at + time.Duration(r.IntN(20_000)-10_000)*time.Microsecond
	}
	wrong.kind = [...]kind{deaf, deaf, slow, envoyJumps, feedFails, killWorker}[r.IntN(6)]
	wrong.at = max(0, it.at-time.Duration(r.IntN(1500))*time.Millisecond)
	wrong.envoy, wrong.worker, wrong.lasts = there.envoy, there.worker, 6*time.Second
	if wrong.kind == envoyJumps {
		silent := wrong
		silent.kind, wrong.lasts, wrong.jump = deaf, 0, -time.Duration(r.IntN(4000))*time.Millisecond
		all = append(all, silent)
	}
	return append(all, before, wrong)
}

// opening is what happens at the moment at which a session gets a new key.
func (p *drawing) opening() (all []item) {
	at, browser := 100*time.Millisecond+time.Duration(p.r.IntN(300))*time.Millisecond, p.r.IntN(p.browsers)
	for n := range 8 {
		it := p.action()
		it.at, it.browser = at, browser
		if n > 0 {
			it.at += time.Duration(p.r.IntN(70_000)) * time.Microsecond
		}
		if n < 4 {
			it.kind = visit
		}
		all = append(all, it)
	}
	if p.r.IntN(3) == 0 { // which leaves more room between its uses
		slow := p.fault()
		slow.kind, slow.at, slow.lasts = storeSlow, at, time.Second
		all = append(all, slow)
	}
	return all
}

// rush is many browsers at one worker, whose answers are slow, and of whom some go away.
func (p *drawing) rush() (all []item) {
	slowly := p.fault()
	slowly.kind, slowly.lasts = slow, time.Second
	all = append(all, slowly)
	for range 6 {
		it := p.somewhere()
		it.kind, it.envoy, it.worker = page, slowly.envoy, slowly.worker
		it.at = slowly.at + time.Duration(p.r.IntN(40_000))*time.Microsecond
		all = append(all, it)
		if p.r.IntN(2) == 0 {
			it.kind, it.at = leave, it.at+time.Duration(p.r.IntN(20_000))*time.Microsecond
			all = append(all, it)
		}
	}
	return all
}

func (p *drawing) fault() item {
	r, it := p.r, p.somewhere()
	it.kind = cut
	if len(p.faults) > 0 {
		it.kind = p.faults[r.IntN(len(p.faults))]
	}
	it.lasts = time.Duration(1+r.IntN(4500)) * time.Millisecond
	if r.IntN(4) == 0 {
		it.lasts *= 2
	}
	it.jump = time.Duration(r.IntN(40_001)-20_000) * time.Millisecond
	if r.IntN(2) == 0 {
		it.jump /= 10
	}
	if it.kind == envoyJumps || it.kind == replicaJumps || it.kind == feedLost {
		it.lasts = 0
	}
	return it
}

func (p *drawing) somewhere() item {
	r := p.r
	return item{
		at:      500*time.Millisecond + time.Duration(r.Int64N(int64(p.length))).Truncate(time.Microsecond),
		browser: r.IntN(p.browsers), envoy: r.IntN(p.envoys), worker: r.IntN(p.workers), replica: r.IntN(p.replicas),
	}
}

// faulty reports whether anything is wrong between two times, or was shortly before.
func (p *plan) faulty(from, to time.Duration) bool {
	for i := range p.items {
		it := &p.items[i]
		if it.kind.fault() && it.at <= to && it.at+it.lasts+shortly >= from {
			return true
		}
	}
	return false
}

// shortly is for how long the effects of a fault last.
const shortly = 3 * time.Second
