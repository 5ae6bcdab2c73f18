package filter

import "time"

// CachePolicy is how long what is known of sessions is used.
type CachePolicy struct {
	// TTL is how long a live session is believed without another look; 0: not
	// at all. What ends by Django, the filter or the session service is
	// forgotten at once; what ends otherwise (a row that somebody deletes), in
	// this time.
	TTL time.Duration
	// NegativeTTL is how long a key is believed to be no session's.
	NegativeTTL time.Duration
	// Stale is how old what is known may be while the service gives no answer,
	// with on_unavailable: stale.
	Stale time.Duration
	// Entries and Bytes bound the cache of each worker. Those of the general
	// configuration count.
	Entries, Bytes int
}

// Memory is what a stream may take for known. The zero value knows nothing.
type Memory struct {
	Cache *Cache
	// Trusted says that nothing the cache has can have ended unheard.
	Trusted bool
}

// fresh gives what is known of key, if that may be believed as it is.
func (m Memory) fresh(key string, p *CachePolicy, now time.Time) (*entry, bool) {
	if !m.Trusted || p.TTL == 0 {
		return nil, false
	}
	e, ok := m.Cache.get(key)
	if !ok {
		return nil, false
	}
	ttl := p.TTL
	if e.record.verdict == noSession {
		ttl = min(ttl, p.NegativeTTL)
	}
	return e, within(ttl, e.at, now)
}

// stale gives a live session that is known, for while there is no answer.
func (m Memory) stale(key string, p *CachePolicy, now time.Time) (*record, bool) {
	e, ok := m.Cache.get(key)
	if !ok || e.record.verdict != liveSession || !within(p.Stale, e.at, now) {
		return nil, false
	}
	return e.record, true
}

// within reports whether it is less than d since then. A clock that was set back says
// nothing of how long it is.
func within(d time.Duration, then, now time.Time) bool {
	since := now.Sub(then)
	return since >= 0 && since < d
}

// touched notes what has just been asked of the store, so that the next request does
// not find it due again.
func (m Memory) touched(key string, r *record) {
	if e, ok := m.Cache.get(key); ok {
		touched := *e.record
		touched.expires, touched.created, touched.seen = r.expires, r.created, r.seen
		touched.cycled, touched.used = r.cycled, r.used
		e.record = &touched
	}
}
