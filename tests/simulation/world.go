package main

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// start is the time at which every history begins.
var start = time.Unix(1_900_000_000, 0)

// world is one history while it is played: everything in it happens in one goroutine, in the
// order of virtual time.
type world struct {
	plan   *plan
	now    time.Duration // since start
	events eventQueue
	seq    uint64
	draws  uint64 // at this time, so that each is another
	drawn  time.Duration

	envoys   []*envoy
	replicas []*replica
	store    *storeModel
	feed     *feedModel
	browsers []*browser
	requests []*request // by stream id
	current  *task      // whose code runs
	oracle   *oracle

	story   *strings.Builder // nil: it is not written
	failure *failure
	stats   stats
}

// stats counts what a history had in it.
type stats struct {
	events, requests, callouts, storeOps int
	faults                               [numKinds]int
}

func (s *stats) add(o stats) {
	s.events += o.events
	s.requests += o.requests
	s.callouts += o.callouts
	s.storeOps += o.storeOps
	for i := range s.faults {
		s.faults[i] += o.faults[i]
	}
}

// failure is an invariant that does not hold.
type failure struct {
	invariant int
	what      string
	at        time.Duration
}

func (f *failure) String() string {
	return fmt.Sprintf("invariant %d (%s) broken at %s: %s", f.invariant, invariants[f.invariant], stamp(f.at), f.what)
}

// invariants are what is checked after each event, by number.
var invariants = [...]string{
	1: "what was revoked is admitted nowhere after the bound",
	2: "nobody is admitted as somebody else",
	3: "no acknowledged write is lost, and nothing that was deleted comes back",
	4: "no request hangs, and nothing is held for streams that are gone",
	5: "an outage logs nobody out",
}

// fail notes the first invariant that does not hold; the history ends with it.
func (w *world) fail(invariant int, format string, args ...any) {
	if w.failure == nil {
		w.failure = &failure{invariant, fmt.Sprintf(format, args...), w.now}
		w.tell("!!", "%s", w.failure)
	}
}

// event is something that happens at a time.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	n := len(*q) - 1
	e := (*q)[n]
	(*q)[n] = event{}
	*q = (*q)[:n]
	return e
}

// after has something happen d from now.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + max(d, 0), w.seq, do})
}

// run plays events until a time, or until an invariant does not hold.
func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && w.failure == nil && w.events[0].at <= until {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		w.stats.events++
		e.do()
	}
	if w.failure == nil {
		w.now = until
	}
}

// draw returns a number that follows from the seed, the time and what it is for alone, so that
// events that are left out of a plan change nothing about the others.
func (w *world) draw(label ...uint64) uint64 {
	if w.drawn != w.now {
		w.drawn, w.draws = w.now, 0
	}
	w.draws++
	x := mix(mix(w.plan.seed^mix(uint64(w.now))) ^ w.draws)
	for _, l := range label {
		x = mix(x ^ l)
	}
	return x
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// between returns a duration from lo to hi.
func (w *world) between(lo, hi time.Duration, label ...uint64) time.Duration {
	return lo + time.Duration(w.draw(label...)%uint64(hi-lo+1))
}

// chance reports whether something of so many percent happens.
func (w *world) chance(percent uint64, label ...uint64) bool {
	return percent > 0 && w.draw(label...)%100 < percent
}

// clock is a node's: it can jump.
type clock struct {
	w      *world
	offset time.Duration
}

func (c *clock) now() time.Time { return start.Add(c.w.now + c.offset) }

// tell writes a line of the story.
func (w *world) tell(who, format string, args ...any) {
	if w.story != nil {
		fmt.Fprintf(w.story, "%s  %-18s %s\n", stamp(w.now), who, fmt.Sprintf(format, args...))
	}
}

func stamp(d time.Duration) string { return fmt.Sprintf("%8.3fs", d.Seconds()) }

// hash sums the story up.
func (w *world) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, w.story.String())
	return h.Sum64()
}

// play plays a plan; with story it is written down.
func play(p *plan, story bool) *world {
	w := &world{plan: p}
	if story {
		w.story = &strings.Builder{}
	}
	w.build()
	for i := range p.items {
		it := &p.items[i]
		w.after(it.at, func() { w.begin(it) })
	}
	w.run(p.length())
	w.finish()
	w.close()
	return w
}

// build makes the nodes.
func (w *world) build() {
	p := w.plan
	w.oracle = newOracle(w)
	w.store = newStoreModel(w)
	w.feed = newFeedModel(w)
	w.oracle.open()
	for i := range p.replicas {
		w.replicas = append(w.replicas, newReplica(w, i))
	}
	for i := range p.envoys {
		w.envoys = append(w.envoys, newEnvoy(w, i))
	}
	for i := range p.browsers {
		w.browsers = append(w.browsers, newBrowser(w, i))
	}
}

// settling is for how long a history goes on after its last item, with no faults.
const settling = 4 * time.Second

// finish has every browser ask once more when all is well again, and looks at what is held.
func (w *world) finish() {
	for _, b := range w.browsers {
		w.after(0, func() { b.ask(&item{kind: page, browser: b.n, envoy: b.n % len(w.envoys), worker: b.n}).last = true })
	}
	w.run(w.now + 2*time.Second)
	for _, r := range w.requests {
		if w.failure == nil && !r.done {
			w.after(0, r.leave)
		}
	}
	w.run(w.now + time.Second)
	if w.failure == nil {
		w.oracle.atEnd()
	}
}

// close ends the coroutines that are left.
func (w *world) close() {
	for _, r := range w.replicas {
		r.abandon()
	}
}
