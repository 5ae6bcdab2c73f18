package worker

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session"
)

// watches are the streams that are to end with their sessions.
type watches struct {
	byHash map[uint64]*watch
	// due are the hashes of sessions that have to be looked up again: an event named them,
	// their end has come, or the last look-up is as old as a cached one may be.
	due  map[uint64]bool
	next uint64 // the hash that the next housekeeping begins with
}

// watch is one session with open streams.
type watch struct {
	key     string
	hash    uint64         // of key
	user    string         // whose it was when it was last looked up
	route   *config.Route  // by whose limits it ends
	ask     filter.Callout // by which it is looked up
	expires time.Time
	checked time.Time // when it was last looked up
	// confirmed is when a look-up last found it live, and unanswered when the first was sent
	// that had no answer since.
	confirmed, unanswered time.Time
	streams               []*Stream // each with its place in watchAt
}

func (at *watch) add(s *Stream) {
	s.watch, s.watchAt = at, len(at.streams)
	at.streams = append(at.streams, s)
}

func (at *watch) remove(s *Stream) {
	n := len(at.streams) - 1
	last := at.streams[n]
	at.streams[s.watchAt], last.watchAt = last, s.watchAt
	at.streams = slices.Delete(at.streams, n, n+1)
	s.watch = nil
}

// maxRechecks bounds the sessions with open streams that one housekeeping looks up again.
const maxRechecks = 4096

func newWatches() watches {
	return watches{byHash: map[uint64]*watch{}, due: map[uint64]bool{}}
}

// watch has a stream end when its session does, from when it is admitted.
func (w *Worker) watch(s *Stream) {
	if s.direction != Request || s.watch != nil {
		return
	}
	key, ask, r, ok := s.filter.Watched()
	if !ok {
		return
	}
	at := s.lookups.watches.at(key)
	at.route, at.ask, at.user = s.filter.Route(), ask, r.User()
	at.expires = filter.SessionEnd(at.route, r)
	if s.checked.After(at.checked) {
		at.checked = s.checked
	}
	if s.checked.After(at.confirmed) {
		at.confirmed = s.checked
	}
	at.add(s)
}

// remove drops a stream that has ended by itself.
func (w *watches) remove(s *Stream) {
	at := s.watch
	if at.remove(s); len(at.streams) == 0 {
		w.forget(at)
	}
}

// at returns the watch of a key.
func (w *watches) at(key string) *watch {
	hash := session.KeyHash(key)
	at := w.byHash[hash]
	if at == nil || at.key != key {
		at = &watch{key: clone(key), hash: hash}
		w.byHash[hash] = at
	}
	return at
}

// forget drops a watch, whose streams are others' now, or gone.
func (w *watches) forget(at *watch) {
	if w.byHash[at.hash] == at {
		delete(w.byHash, at.hash)
		delete(w.due, at.hash)
	}
}

func (w *watches) changed(hash uint64) {
	if w.byHash[hash] != nil {
		w.due[hash] = true
	}
}

func (w *watches) userChanged(id string) {
	for hash, at := range w.byHash {
		if at.user == id {
			w.due[hash] = true
		}
	}
}

func (w *watches) allChanged() {
	for hash := range w.byHash {
		w.due[hash] = true
	}
}

// tick looks up the sessions with open streams whose turn it is.
func (w *watches) tick(worker *Worker, l *lookups) {
	var silent []*watch
	for hash, at := range w.byHash {
		switch {
		case l.service.silent(at, worker.now):
			silent = append(silent, at)
		case !at.expires.After(worker.now) || !within(at.route.Service.Cache.TTL, at.checked, worker.now):
			w.due[hash] = true
		}
	}
	slices.SortFunc(silent, func(a, b *watch) int { return cmp.Compare(a.hash, b.hash) })
	for _, at := range silent {
		worker.warn("streams are closed: the session service at cluster " + at.route.Service.Cluster + " has not answered for end_streams_after, " + at.route.EndStreamsAfter.String())
		w.closeAll(worker, at)
	}
	room := maxRechecks
	for _, hash := range w.inTurn() {
		at := w.byHash[hash]
		if l.flights[flightKey{session: at.key}] != nil {
			continue // asked before the event, maybe: wait for its end
		}
		if room--; room < 0 || worker.batcher(at.ask.To).full() {
			w.next = hash // and the others with the next housekeeping
			return
		}
		delete(w.due, hash)
		if at.checked = worker.now; at.unanswered.IsZero() {
			at.unanswered = worker.now
		}
		worker.send(pendingCall{callout: at.ask, flight: l.takeOff(at.key, "", nil, worker.now)})
	}
}

// inTurn returns the hashes that are due, from next on, in an order that follows from them.
func (w *watches) inTurn() []uint64 {
	hashes := slices.Sorted(maps.Keys(w.due))
	first, _ := slices.BinarySearch(hashes, w.next)
	return append(hashes[first:], hashes[:first]...)
}

// lookedUp closes the streams that a result ends. An outage ends none: the session is due
// again.
func (w *watches) lookedUp(worker *Worker, l *lookups, key string, r *filter.LookupResult) {
	hash := session.KeyHash(key)
	at := w.byHash[hash]
	if at == nil || at.key != key {
		return
	}
	switch {
	case !r.Answered():
		w.due[hash] = true
	case r.Live() && filter.SessionEnd(at.route, r).After(worker.now):
		at.expires, at.user, at.checked = filter.SessionEnd(at.route, r), r.User(), worker.now
		at.confirmed, at.unanswered = worker.now, time.Time{}
		if r.Key() == "" || r.Key() == key {
			return
		}
		// The session has a newer key: that is the one to watch.
		w.forget(at)
		newer := w.at(r.Key())
		newer.expires, newer.user, newer.checked, newer.route, newer.confirmed = at.expires, at.user, at.checked, at.route, at.confirmed
		newer.ask = filter.NewLookup(l.service.config, newer.key)
		for _, s := range at.streams {
			newer.add(s)
		}
	default:
		w.closeAll(worker, at)
	}
}

// closeAll closes the streams of a session.
func (w *watches) closeAll(worker *Worker, at *watch) {
	w.forget(at)
	for _, s := range at.streams {
		worker.closeStream(s)
	}
}

// silent reports whether the service has not said for end_streams_after that a session goes on:
// neither by its feed, which says what has ended, nor by the look-up that is due.
func (v *service) silent(at *watch, now time.Time) bool {
	limit := at.route.EndStreamsAfter
	if limit == 0 {
		return false
	}
	since := at.confirmed
	if v.feed.heard.After(since) {
		since = v.feed.heard
	}
	return now.Sub(since) >= limit || !at.unanswered.IsZero() && now.Sub(at.unanswered) >= limit
}
