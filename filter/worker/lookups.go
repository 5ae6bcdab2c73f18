package worker

import (
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/filter/internal/clockcache"
	"cloakroom/session"
)

// service is what one worker has of one session service: what was looked up there, and how far
// that may be used. What ends elsewhere is removed when the feed says so; without an answer from
// the feed for a while, nothing that is cached is used.
type service struct {
	config *config.Service
	feed   feed
	// stored are look-ups of sessions in the store, signed those of sessions in cookies. They
	// are apart: the ID of a signed session, which is no secret, has the form of a session key.
	stored, signed *lookups
}

// lookups are a cache, and the look-ups under way.
type lookups struct {
	service  *service
	sessions *clockcache.Cache[*cached]
	// absent are keys that no session has, apart from the sessions: keys that are sent at
	// random remove no session from the cache.
	absent  *clockcache.Cache[*cached]
	flights map[flightKey]*flight
	watches watches
}

// cached is what was looked up of a session.
type cached struct {
	result *filter.LookupResult
	at     time.Time // when it was looked up
}

// maxAbsent is how many keys that no session has are cached.
const maxAbsent = 2048

// flightKey is what streams that wait for one look-up have in common: the session's key, and which
// token they want (filter.Stream.TokenKey).
type flightKey struct{ session, token string }

// flight is one look-up under way.
type flight struct {
	lookups *lookups
	key     string
	token   string // see flightKey
	sent    time.Time
	route   *config.Route // of the first stream
	waiting streamList
	// outdated says that the session was changed or ended since the callout was sent: the
	// answer may be older than that. It is not cached, and streams that come now do not wait
	// for it.
	outdated bool
}

func newService(s *config.Service, id string) *service {
	v := &service{config: s}
	v.stored, v.signed = newLookups(v), newLookups(v)
	v.feed = feed{service: s, invalidator: v, id: id}
	return v
}

func newLookups(v *service) *lookups {
	c := &v.config.Cache
	return &lookups{
		service:  v,
		sessions: clockcache.New[*cached](c.Entries, c.Bytes),
		absent:   clockcache.New[*cached](min(maxAbsent, c.Entries), c.Bytes),
		flights:  map[flightKey]*flight{},
		watches:  newWatches(),
	}
}

// of returns the look-ups of a route's engine; nil for no service.
func (v *service) of(route *config.Route) *lookups {
	switch {
	case v == nil:
		return nil
	case route.Revocable():
		return v.signed
	}
	return v.stored
}

// fresh returns what is cached of a key, if it may be used as it is.
func (l *lookups) fresh(key string, s *Stream, now time.Time) *clockcache.Entry[*cached] {
	if l == nil || key == "" || !l.service.feed.fresh(now) {
		return nil
	}
	p := &s.filter.Route().Service.Cache
	ttl, e := p.TTL, l.sessions.Get(key)
	if e == nil {
		if e = l.absent.Get(key); e == nil {
			return nil
		}
		ttl = min(ttl, p.NegativeTTL)
	}
	if !within(ttl, e.Value.at, now) {
		return nil
	}
	return e
}

// stale returns a live session that is cached, for while the service does not answer; nil
// where there is none, or the route does not want it.
func (l *lookups) stale(key string, s *Stream, now time.Time) *filter.LookupResult {
	if l == nil || key == "" || s.filter.Route().OnUnavailable != config.UnavailableStale {
		return nil
	}
	e := l.sessions.Get(key)
	if e == nil || !within(s.filter.Route().Service.Cache.Stale, e.Value.at, now) {
		return nil
	}
	return e.Value.result
}

// within reports whether it is less than d since then. A clock that was set back says nothing
// of how long it is.
func within(d time.Duration, then, now time.Time) bool {
	since := now.Sub(then)
	return since >= 0 && since < d
}

// takeOff starts a look-up that streams share.
func (l *lookups) takeOff(key, token string, route *config.Route, now time.Time) *flight {
	f := &flight{lookups: l, key: clone(key), token: token, route: route, sent: now}
	l.flights[flightKey{f.key, token}] = f
	return f
}

// land handles the answer to a look-up: it is cached, given to the streams that wait, and
// ends those that were open.
func (w *Worker) land(f *flight, a filter.Answer) {
	l := f.lookups
	if key := (flightKey{f.key, f.token}); l.flights[key] == f { // and not a later one, see outdated
		delete(l.flights, key)
	}
	a.Body = clone(a.Body) // what is cached of it must not keep all of a batch
	r := filter.ParseAnswer(a, f.route)
	r.Minted(f.token, f.sent)
	if !f.outdated {
		l.watches.lookedUp(w, l, f.key, r)
		switch {
		case r.Answered() && r.Key() == "":
			l.put(f.key, r, w.now)
		case r.Answered():
			// What an old key leads to is looked up each time: nothing that was, or is being, looked
			// up before is used of it, for this token or another.
			l.invalidate(f.key)
		}
	}
	for s := f.waiting.first; s != nil; s = f.waiting.first {
		w.deliver(s, r)
	}
}

func (l *lookups) put(key string, r *filter.LookupResult, now time.Time) {
	if old := l.sessions.Get(key); old != nil && r.Live() {
		r.KeepTokens(old.Value.result, now)
	}
	entry, size := &cached{r, now}, len(key)+r.Size()
	if r.Live() {
		l.absent.RemoveHash(session.KeyHash(key))
		l.sessions.Put(key, entry, size)
		return
	}
	l.sessions.RemoveHash(session.KeyHash(key))
	l.absent.Put(key, entry, size)
}

// touch notes what the store was just asked to write, so that the next request does not find
// it due again.
func (l *lookups) touch(key string, r *filter.LookupResult) {
	if e := l.sessions.Get(key); e != nil {
		e.Value = &cached{e.Value.result.Touch(r), e.Value.at}
	}
}

// invalidate removes one session from the cache, and does not cache an answer that is under
// way.
func (l *lookups) invalidate(key string) { l.invalidateHash(session.KeyHash(key)) }

func (l *lookups) invalidateHash(hash uint64) {
	l.sessions.RemoveHash(hash)
	l.absent.RemoveHash(hash)
	l.watches.changed(hash)
	for key, f := range l.flights {
		f.outdated = f.outdated || session.KeyHash(key.session) == hash
	}
}

// invalidateUser removes a user's sessions. Whose an answer under way is, is not known yet:
// none is cached.
func (l *lookups) invalidateUser(id string) {
	l.sessions.RemoveIf(func(c *cached) bool { return c.result.User() == id })
	l.watches.userChanged(id)
	for key, f := range l.flights {
		f.outdated = true
		l.watches.changed(session.KeyHash(key.session))
	}
}

func (l *lookups) invalidateAll() {
	l.sessions.Clear()
	l.absent.Clear()
	l.watches.allChanged()
	for _, f := range l.flights {
		f.outdated = true
	}
}

func (v *service) each() [2]*lookups { return [2]*lookups{v.stored, v.signed} }

// An event names a session of either kind.

func (v *service) invalidateHash(hash uint64) {
	for _, l := range v.each() {
		l.invalidateHash(hash)
	}
}

func (v *service) invalidateUser(id string) {
	for _, l := range v.each() {
		l.invalidateUser(id)
	}
}

func (v *service) invalidateAll() {
	for _, l := range v.each() {
		l.invalidateAll()
	}
}
