package worker

import (
	"time"

	"cloakroom/filter"
	"cloakroom/filter/internal/clockcache"
	"cloakroom/session"
)

// service is what one worker has of one session service: a cache, the look-ups under way, and
// how far the cache may be used. What ends elsewhere is removed from the cache when the feed
// says so; without an answer from the feed for a while, nothing that is cached is used.
type service struct {
	config   *filter.Service
	sessions *clockcache.Cache[*cached]
	// absent are keys that no session has, apart from the sessions: whoever sends keys at
	// random removes nobody's session from the cache.
	absent  *clockcache.Cache[*cached]
	feed    feed
	flights map[string]*flight
	watches watches
}

// cached is what was looked up of a session.
type cached struct {
	result *filter.LookupResult
	at     time.Time // when it was looked up
}

// maxAbsent is how many keys that no session has are cached.
const maxAbsent = 2048

// flight is one look-up under way.
type flight struct {
	service *service
	key     string
	route   *filter.Route // of the first stream
	waiting streamList
	// outdated says that the session was changed or ended since the callout was sent: the
	// answer may be older than that.
	outdated bool
}

func newService(s *filter.Service, id string) *service {
	v := &service{
		config:   s,
		sessions: clockcache.New[*cached](s.Cache.Entries, s.Cache.Bytes),
		absent:   clockcache.New[*cached](min(maxAbsent, s.Cache.Entries), s.Cache.Bytes),
		flights:  map[string]*flight{},
		watches:  newWatches(),
	}
	v.feed = feed{service: s, invalidator: v, id: id}
	return v
}

// fresh returns what is cached of a key, if it may be used as it is.
func (v *service) fresh(key string, s *Stream, now time.Time) *clockcache.Entry[*cached] {
	if v == nil || key == "" || !v.feed.fresh(now) {
		return nil
	}
	p := &s.filter.Route().Service.Cache
	if p.TTL == 0 {
		return nil
	}
	ttl, e := p.TTL, v.sessions.Get(key)
	if e == nil {
		if e = v.absent.Get(key); e == nil {
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
func (v *service) stale(key string, s *Stream, now time.Time) *filter.LookupResult {
	if v == nil || key == "" || s.filter.Route().OnUnavailable != filter.UnavailableStale {
		return nil
	}
	e := v.sessions.Get(key)
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
func (v *service) takeOff(key string, route *filter.Route) *flight {
	f := &flight{service: v, key: clone(key), route: route}
	v.flights[f.key] = f
	return f
}

// land handles the answer to a look-up: it is cached, given to the streams that wait, and
// ends those that were open.
func (w *Worker) land(f *flight, a filter.Answer) {
	v := f.service
	delete(v.flights, f.key)
	a.Body = clone(a.Body) // what is cached of it must not keep all of a batch
	r := filter.ParseAnswer(a, f.route)
	if !f.outdated {
		v.watches.lookedUp(w, v, f.key, r)
		if r.Answered() && r.Key() == "" { // what an old key leads to is looked up each time
			v.put(f.key, r, w.now)
		}
	}
	for s := f.waiting.first; s != nil; s = f.waiting.first {
		w.deliver(s, r)
	}
}

func (v *service) put(key string, r *filter.LookupResult, now time.Time) {
	entry, size := &cached{r, now}, len(key)+r.Size()
	if r.Live() {
		v.absent.RemoveHash(session.KeyHash(key))
		v.sessions.Put(key, entry, size)
		return
	}
	v.sessions.RemoveHash(session.KeyHash(key))
	v.absent.Put(key, entry, size)
}

// touch notes what the store was just asked to write, so that the next request does not find
// it due again.
func (v *service) touch(key string, r *filter.LookupResult) {
	if e := v.sessions.Get(key); e != nil {
		e.Value = &cached{e.Value.result.Touch(r), e.Value.at}
	}
}

// invalidate removes one session from the cache, and does not cache an answer that is under
// way.
func (v *service) invalidate(key string) { v.invalidateHash(session.KeyHash(key)) }

func (v *service) invalidateHash(hash uint64) {
	v.sessions.RemoveHash(hash)
	v.absent.RemoveHash(hash)
	v.watches.changed(hash)
	for key, f := range v.flights {
		f.outdated = f.outdated || session.KeyHash(key) == hash
	}
}

// invalidateUser removes a user's sessions. Whose an answer under way is, is not known yet:
// none is cached.
func (v *service) invalidateUser(id string) {
	v.sessions.RemoveIf(func(c *cached) bool { return c.result.User() == id })
	v.watches.userChanged(id)
	for key, f := range v.flights {
		f.outdated = true
		v.watches.changed(session.KeyHash(key))
	}
}

func (v *service) invalidateAll() {
	v.sessions.Clear()
	v.absent.Clear()
	v.watches.allChanged()
	for _, f := range v.flights {
		f.outdated = true
	}
}
