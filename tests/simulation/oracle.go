package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/worker"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// oracle is what is true of the sessions, and sees that the invariants hold.
type oracle struct {
	w        *world
	accounts map[string]*account
	keys     map[string]*ghost
	lineages map[string]*lineage // by their tags
	order    []*lineage
	flushing map[string]int      // users, all of whose sessions are being ended
	logins   map[string]*request // those by services, by their tags
}

type account struct {
	password string
	active   bool
}

// ghost is what a session key has ever been.
type ghost struct {
	name    string
	lineage *lineage
	user    string
	// byDjango says that its row was deleted, and by Django.
	byDjango bool
}

// lineage is one session, from a login on, under all of its keys. Its tag is in its data.
type lineage struct {
	tag, user string
	since     time.Duration
	ends      time.Duration // since when something is under way that may end it
	ended     *ending
	acked     []write // what was stored in it, acknowledged
	// split says that Django has written an old key's row again: from then on there are two
	// versions of the data.
	split bool
	here  map[place]time.Duration // when it ended there
	lost  map[string]bool         // what Django has written over, as it does
	rows  int
}

type write struct {
	name string
	at   time.Duration
	here place
}

// place is a worker and a key: where a session was changed nothing older is used of it.
type place struct {
	v   *vm
	key string
}

// ending is an acknowledged end of a session.
type ending struct {
	at time.Duration
	by cause
}

// cause is by whom a session ended; the bound follows from it.
type cause uint8

const (
	byService cause = iota // and so with an event
	byDjango               // of which the filter tells the service, if it can
	byHand                 // of which nothing tells the filter: a row, an account
)

func newOracle(w *world) *oracle {
	o := &oracle{w: w, accounts: map[string]*account{}, keys: map[string]*ghost{}, lineages: map[string]*lineage{}, flushing: map[string]int{}, logins: map[string]*request{}}
	for i := range 2 {
		o.accounts[fmt.Sprint("u", i)] = &account{"pw", true}
	}
	return o
}

// firstSession is the one that a browser begins with: old enough for a new key.
func (o *oracle) firstSession(b *browser) string {
	key, _ := session.NewKey(o.w.random())
	data := loginData(b.user, o.accounts[b.user].password)
	data = setMember(data, fmt.Sprintf(`{"tag":"B%d","_cloakroom_created":%d}`, b.n, start.Add(-2*time.Hour).Unix()))
	o.w.store.django(func() { o.w.store.create(key, data) }, key)
	return key
}

// bound is for how long an ended session may yet be admitted by requests that come.
func (o *oracle) bound(e *ending, from, to time.Duration) time.Duration {
	p := o.w.plan
	const lookup = 600 * time.Millisecond // one that was under way
	switch {
	case !p.cache:
		return 0
	case e.by == byHand:
		return p.ttl + lookup
	case !p.faulty(from, to):
		return promptly
	case e.by == byDjango:
		return max(worker.MaxFeedSilence, p.ttl+lookup)
	}
	return worker.MaxFeedSilence
}

// promptly is the feed's bound while nothing is wrong: a poll that is held, a look at the
// shared data, and the way there.
const promptly = 300 * time.Millisecond

// stale is engine.service.cache.stale.
const stale = 8 * time.Second

// live reports whether a session must be admitted: nothing has begun to end it.
func (o *oracle) live(l *lineage) bool {
	return l != nil && l.ends > o.w.now && l.rows > 0 && (!o.w.plan.acct || o.accounts[l.user].active)
}

// endsFrom notes that something may end a session from now on.
func (o *oracle) endsFrom(l *lineage) {
	if l != nil {
		l.ends = min(l.ends, o.w.now)
	}
}

// end notes that the end of a session was acknowledged.
func (o *oracle) end(l *lineage, by cause, why string) {
	if l == nil {
		return
	}
	o.endsFrom(l)
	if l.ended == nil || by < l.ended.by {
		o.w.tell("", "from now on session %s is over: %s", l.tag, why)
		l.ended = &ending{o.w.now, by}
	}
}

// lineageOf returns the session of a key.
func (o *oracle) lineageOf(key string) *lineage {
	if g := o.keys[key]; g != nil {
		return g.lineage
	}
	return nil
}

// has reports whether a session may have a tag: its own, or that of a login which repeats the
// one that began it, by the same user and in place of the same session.
func (o *oracle) has(l *lineage, tag string) bool {
	first, again := o.logins[l.tag], o.logins[tag]
	return l.tag == tag || first != nil && again != nil && first.user == again.user && first.lineage != nil && first.lineage == again.lineage
}

// begins notes what a request may bring about.
func (o *oracle) begins(r *request) {
	r.lineage = o.lineageOf(r.cookie)
	if r.kind == login {
		o.logins[r.tag] = r
	}
	switch r.kind {
	case logout, flush, login, djangoLogin, djangoLogout, djangoCycle:
		o.endsFrom(r.lineage)
	case password:
		o.endsFrom(r.lineage)
		if r.lineage != nil && o.w.plan.acct {
			o.allOf(r.lineage.user, o.endsFrom)
		}
	}
}

// allOf calls do for each session of a user.
func (o *oracle) allOf(user string, do func(*lineage)) {
	for _, l := range o.order {
		if l.user == user {
			do(l)
		}
	}
}

// passwordChanges changes a password in Django: the user's other sessions are refused.
func (o *oracle) passwordChanges(user string) {
	o.accounts[user].password += "+"
	if o.w.plan.acct {
		o.allOf(user, func(l *lineage) { o.end(l, byHand, "the password was changed") })
	}
}

// accepts reports whether Django takes a session for its user's (django.contrib.auth.get_user).
func (o *oracle) accepts(v session.Session) bool {
	a := o.accounts[session.UserOf(v.Data)]
	return a != nil && a.active && strings.Contains(string(v.Data), hasher.Hash(a.password))
}

// admitted checks a request that passes.
func (o *oracle) admitted(r *request, outcome filter.Outcome, headers filter.Headers) {
	w := o.w
	o.token(r, headers)
	if r.as == "" {
		if o.live(r.lineage) && r.last {
			w.fail(5, "%s passes as nobody's, though session %s lives", r, r.lineage.tag)
		} else if o.live(r.lineage) {
			w.fail(5, "%s of %s passes as nobody's: session %s lives, and nothing has begun to end it", r, r.b, r.lineage.tag)
		}
		return
	}
	g := o.keys[r.cookie]
	data, _ := rawjson.Object(headers.Get("x-session"), nil)
	switch {
	case g == nil || g.user != r.as:
		w.fail(2, "%s with %s passes as %q", r, o.name(r.cookie), r.as)
		return
	case !o.has(g.lineage, strings.Trim(member(data, "tag"), `"`)):
		w.fail(2, "%s with %s of session %s gets the data of %s", r, o.name(r.cookie), g.lineage.tag, member(data, "tag"))
		return
	}
	for _, m := range data {
		if id, err := strconv.Atoi(strings.TrimPrefix(m.Name, "k")); err == nil && w.requests[id].as != r.as {
			w.fail(2, "%s as %q sees %s, which was stored for %q", r, r.as, m.Name, w.requests[id].as)
		}
	}
	l := g.lineage
	if e := l.ended; e != nil {
		bound := o.bound(e, e.at-shortly, w.now)
		if e.by == byDjango && !g.byDjango { // Django does not know this key: the filter's word ends it
			bound = max(bound, promptly)
			if w.plan.faulty(e.at-shortly, w.now) {
				bound = never - r.arrived
			}
		}
		if outcome == filter.Stale && w.plan.faulty(r.arrived-time.Second, w.now) {
			bound = max(bound, stale+600*time.Millisecond)
		}
		if at, here := l.here[place{r.v, r.cookie}]; here && outcome != filter.Stale && r.arrived > at {
			w.fail(1, "%s passes as %q with %s where session %s was ended %s before", r, r.as, o.name(r.cookie), l.tag, r.arrived-at)
		}
		if r.arrived-bound > e.at {
			w.fail(1, "%s passes as %q with %s, which came %s after the end of session %s was acknowledged; the bound is %s",
				r, r.as, o.name(r.cookie), r.arrived-e.at, l.tag, bound)
		}
	}
	for _, a := range l.acked {
		bound := o.bound(&ending{a.at, byDjango}, a.at-shortly, w.now)
		if a.here == (place{r.v, r.cookie}) {
			bound = 0
		}
		if !l.split && !l.lost[a.name] && r.arrived > a.at+bound && outcome != filter.Stale && member(data, a.name) == "" && o.live(l) {
			w.fail(3, "%s sees no %s in session %s, %s after it was acknowledged", r, a.name, l.tag, r.arrived-a.at)
		}
	}
}

func member(data []rawjson.Member, name string) string {
	for _, m := range data {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// answered checks a response as it leaves the Envoy.
func (o *oracle) answered(r *request, status string, headers filter.Headers) {
	w := o.w
	if r.local && status != "503" && r.kind != logout && o.live(r.lineage) {
		w.fail(5, "%s of %s is refused with %s (%s): session %s lives, and nothing has begun to end it", r, r.b, status, filter.Outcomes[r.refusal], r.lineage.tag)
	}
	if r.last && r.local && o.live(r.lineage) {
		w.fail(5, "%s is refused with %s though everything is well again, and session %s lives", r, status, r.lineage.tag)
	}
	for _, field := range headers {
		if field[0] != "set-cookie" {
			continue
		}
		key, ok := sessionCookie(field[1])
		switch g := o.keys[key]; {
		case !ok:
		case key == "" && o.live(r.lineage):
			w.fail(5, "the answer to %s deletes the cookie of session %s, which lives", r, r.lineage.tag)
		case key == "":
		case g == nil:
			w.fail(2, "the answer to %s sets a key that no session has had", r)
		case r.lineage != nil && g.lineage == r.lineage, o.has(g.lineage, r.tag):
		default:
			w.fail(2, "the answer to %s (%s, of session %s) sets %s, which is of session %s", r, kindNames[r.kind], tagOf(r.lineage), o.name(key), g.lineage.tag)
		}
	}
}

func tagOf(l *lineage) string {
	if l == nil {
		return "none"
	}
	return l.tag
}

// delivered notes what a response acknowledges.
func (o *oracle) delivered(r *request, status string) {
	l := r.lineage
	defer func() {
		if l != nil && l.ended != nil && l.ended.at == o.w.now {
			l.here[place{r.v, r.cookie}] = o.w.now
		}
	}()
	switch {
	case r.kind == logout && r.local && r.refusal == filter.LoggedOut:
		o.end(l, byService, "its logout was acknowledged")
	case r.local || status != "200" || r.as == "":
	case r.kind == flush:
		o.end(l, byService, "its logout by a service was acknowledged")
	case r.kind == login:
		o.end(l, byService, "a login has replaced it")
	case r.did == "ended":
		o.end(l, byDjango, "Django has ended it, and the browser has the answer")
	case r.wrote != "" && l != nil:
		o.acked(l, r)
	}
}

// acked notes that something was stored; it must be in the row that the cookie leads to.
func (o *oracle) acked(l *lineage, r *request) {
	if l.split || l.lost[r.wrote] || !o.live(l) {
		return
	}
	if v, ok := o.reach(r.cookie); ok && member(members(v), r.wrote) == "" {
		o.w.fail(3, "what %s stored, and was acknowledged, is not in session %s: %s", r, l.tag, o.named(string(v.Data)))
		return
	}
	l.acked = append(l.acked, write{r.wrote, o.w.now, place{r.v, r.cookie}})
}

func members(v session.Session) []rawjson.Member {
	list, _ := rawjson.Object(string(v.Data), nil)
	return list
}

// reach returns the row that a key leads to.
func (o *oracle) reach(key string) (session.Session, bool) {
	for range 20 {
		v, ok := o.w.store.peek(key)
		next := v.Cycle().Next
		if !ok || next == nil {
			return v, ok
		}
		key = next.Key
	}
	return session.Session{}, false
}

// closed checks a stream that the filter has closed.
func (o *oracle) closed(r *request) {
	if o.live(r.lineage) {
		o.w.fail(5, "the stream %s is closed: session %s lives, and nothing has begun to end it", r, r.lineage.tag)
	}
}

// open checks, again and again, the streams that are open: those of sessions that ended are
// closed.
func (o *oracle) open() {
	w := o.w
	w.after(200*time.Millisecond, o.open)
	if !w.plan.endStreams || !w.plan.cache {
		return
	}
	for _, r := range w.requests {
		if !r.opened || r.done || r.lineage == nil || r.lineage.ended == nil {
			continue
		}
		bound := o.bound(r.lineage.ended, r.lineage.ended.at-shortly, w.now) + 800*time.Millisecond
		if !w.plan.faulty(w.now-bound, w.now) && w.now > r.lineage.ended.at+bound {
			w.fail(1, "the stream %s is open yet, %s after the end of session %s was acknowledged; the bound is %s", r, w.now-r.lineage.ended.at, r.lineage.tag, bound)
		}
	}
}
