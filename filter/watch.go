package filter

import (
	"strings"
	"time"

	"cloakroom/session"
)

// watches are the streams that are to end with their sessions.
type watches[W comparable] struct {
	byHash map[uint64]*watch[W]
	of     map[W]*watch[W]
	// due are the hashes of sessions that have to be looked up again: an event
	// named them, or their end has come.
	due map[uint64]bool
}

// watch is one session with open streams.
type watch[W comparable] struct {
	key     string
	hash    uint64  // of key
	user    string  // whose it was when it was last looked up
	ask     Callout // by which it is looked up
	expires time.Time
	streams map[W]bool
}

func newWatches[W comparable]() watches[W] {
	return watches[W]{byHash: map[uint64]*watch[W]{}, of: map[W]*watch[W]{}, due: map[uint64]bool{}}
}

// Watch has a stream end when its session does. It does nothing for a stream
// without a session.
func (l *Lookups[W]) Watch(s *Stream, w W) {
	if !s.live() || s.key == "" {
		return
	}
	key, ask := s.key, l.Feed.service.callout(lookupPath, keyBody(s.key))
	if s.subject != nil {
		key, ask = s.subject.ID, s.verifyCallout()
	}
	at := l.watched.at(key)
	at.expires, at.user, at.ask = s.route.Expiry.end(s.record), s.record.user, ask
	l.watched.add(key, w)
}

// Unwatch forgets a stream that has ended by itself.
func (l *Lookups[W]) Unwatch(w W) {
	at := l.watched.of[w]
	if at == nil {
		return
	}
	delete(l.watched.of, w)
	if delete(at.streams, w); len(at.streams) == 0 {
		l.watched.forget(at)
	}
}

// at gives the watch of a key.
func (w *watches[W]) at(key string) *watch[W] {
	hash := session.KeyHash(key)
	at := w.byHash[hash]
	if at == nil || at.key != key {
		at = &watch[W]{key: strings.Clone(key), hash: hash, streams: map[W]bool{}}
		w.byHash[hash] = at
	}
	return at
}

func (w *watches[W]) add(key string, stream W) {
	at := w.at(key)
	at.streams[stream] = true
	w.of[stream] = at
}

// forget drops a watch, whose streams are others' now, or nobody's.
func (w *watches[W]) forget(at *watch[W]) {
	if w.byHash[at.hash] == at {
		delete(w.byHash, at.hash)
		delete(w.due, at.hash)
	}
}

func (w *watches[W]) changed(hash uint64) {
	if w.byHash[hash] != nil {
		w.due[hash] = true
	}
}

func (w *watches[W]) userChanged(id string) {
	for hash, at := range w.byHash {
		if at.user == id {
			w.due[hash] = true
		}
	}
}

func (w *watches[W]) allChanged() {
	for hash := range w.byHash {
		w.due[hash] = true
	}
}

// Tick has the sessions with open streams looked up again whose end has come.
func (l *Lookups[W]) Tick(now time.Time) {
	for hash, at := range l.watched.byHash {
		if !at.expires.After(now) && l.flights[at.key] == nil {
			l.watched.due[hash] = true
		}
	}
}

// Due gives a session that has open streams and has to be looked up again: send
// the callout, and give its answer to Answer. Ask until there is none.
func (l *Lookups[W]) Due() (Callout, string, bool) {
	for hash := range l.watched.due {
		at := l.watched.byHash[hash]
		if l.flights[at.key] != nil {
			continue // asked before the event, maybe: wait for its end
		}
		delete(l.watched.due, hash)
		l.flights[at.key] = &flight[W]{}
		return at.ask, at.key, true
	}
	return Callout{}, "", false
}

// ended gives the streams that an answer ends. An outage ends none: the session
// is due again.
func (l *Lookups[W]) ended(key string, r *record, now time.Time) (ending []W) {
	hash := session.KeyHash(key)
	at := l.watched.byHash[hash]
	if at == nil || at.key != key {
		return nil
	}
	switch {
	case r.verdict == noAnswer:
		l.watched.due[hash] = true
	case r.verdict == liveSession && r.expires.After(now):
		at.expires, at.user = r.expires, r.user
		if r.key != "" && r.key != key { // the session has a newer key: that is the one to watch
			l.watched.forget(at)
			newer := l.watched.at(r.key)
			newer.expires, newer.user, newer.ask = r.expires, r.user, l.Feed.service.callout(lookupPath, keyBody(r.key))
			for w := range at.streams {
				l.watched.add(r.key, w)
			}
		}
	default:
		for w := range at.streams {
			ending = append(ending, w)
			delete(l.watched.of, w)
		}
		l.watched.forget(at)
	}
	return ending
}
