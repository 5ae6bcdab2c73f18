package filter

import (
	"strings"
	"time"

	"cloakroom/session"
)

// Lookups are what one worker knows and asks of one session service: a cache,
// the callouts under way, and how far the cache may be trusted. W is whoever
// waits for an answer.
//
// A cached record is used while it is younger than the route's TTL and while
// the feed of revocations is followed: what ends elsewhere is dropped from the
// cache when the feed says so, and a feed that is not heard of for a while
// takes the trust from all of it.
type Lookups[W comparable] struct {
	Cache   *Cache
	Feed    Feed
	flights map[string]*flight[W]
	watched watches[W]
}

// flight is one look-up under way.
type flight[W comparable] struct {
	route   *Route // of the first
	waiting []W
	// outdated says that the session was changed or ended since the callout
	// was sent: the answer may be older than that.
	outdated bool
}

// NewLookups makes the Lookups for a service.
func NewLookups[W comparable](s *Service) *Lookups[W] {
	l := &Lookups[W]{Cache: NewCache(s.Cache.Entries, s.Cache.Bytes), flights: map[string]*flight[W]{}, watched: newWatches[W]()}
	l.Feed = newFeed(s, l)
	return l
}

// Join has a stream, which w is, wait for the look-up of key. The first is to send the
// callout; the others share its answer.
func (l *Lookups[W]) Join(key string, s *Stream, w W) (first bool) {
	f, under := l.flights[key]
	if !under {
		f = &flight[W]{route: s.judging()}
		l.flights[key] = f
	}
	f.waiting = append(f.waiting, w)
	return !under
}

// Answer takes the answer to the look-up of key, and gives what it says, who
// waits for it, and whose streams end with the session.
func (l *Lookups[W]) Answer(key string, a Answer, now time.Time) (known Known, waiting, ending []W) {
	f := l.flights[key]
	if f == nil {
		return Known{}, nil, nil
	}
	delete(l.flights, key)
	a.Body = strings.Clone(a.Body) // what is remembered of it must not keep all of a batch
	r := parseAnswer(a, f.route, nil)
	if !f.outdated {
		ending = l.ended(key, r, now)
	}
	if r.verdict != noAnswer && r.key == "" && !f.outdated { // what an old key leads to is asked each time
		l.Cache.put(key, r, now)
	}
	return Known{r}, f.waiting, ending
}

// Known is what a look-up says of a session. The zero value says nothing.
type Known struct{ record *record }

// Drop forgets one session, and will not remember an answer that is under way.
func (l *Lookups[W]) Drop(key string) { l.dropHash(session.KeyHash(key)) }

func (l *Lookups[W]) dropHash(hash uint64) {
	l.Cache.dropHash(hash)
	l.watched.changed(hash)
	for key, f := range l.flights {
		f.outdated = f.outdated || session.KeyHash(key) == hash
	}
}

// dropUser forgets a user's sessions. Whose an answer under way is, is not
// known yet: none is remembered.
func (l *Lookups[W]) dropUser(id string) {
	l.Cache.dropUser(id)
	l.watched.userChanged(id)
	for key, f := range l.flights {
		f.outdated = true
		l.watched.changed(session.KeyHash(key))
	}
}

func (l *Lookups[W]) clear() {
	l.Cache.Clear()
	l.watched.allChanged()
	for _, f := range l.flights {
		f.outdated = true
	}
}
