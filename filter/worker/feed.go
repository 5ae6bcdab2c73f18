package worker

import (
	"strconv"
	"time"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// hold is for how long the service may hold a poll of the feed, of the api.MaxHold that it
// would. Each answer, an empty one too, says that nothing was missed.
const hold = time.Second

// MaxFeedSilence is for how long the cache is used after the last poll of the feed was sent
// that has been answered: from then on sessions can have ended unnoticed, however long the
// answer was on its way.
const MaxFeedSilence = 3 * time.Second

// feed follows the service's feed, for one process of several workers. One of them, the
// leader, polls the service; the others read what it has received from data that the workers
// share.
type feed struct {
	service     *config.Service
	invalidator invalidator
	id          string // this worker's, among those that could lead

	cursor string
	asked  bool
	sent   time.Time // when the last poll was
	heard  time.Time // up to when nothing can have been missed
	seq    uint64    // of the last event that was applied
	recent []string  // the last events; the very last has the number seq

	// void is the time of a page of shared data from before the clock was set back; doubted
	// says that the next page that is read may be one.
	void    time.Time
	doubted bool

	leading  bool
	eager    bool      // has just acquired the lease: the first poll is answered at once
	resigned time.Time // when a poll failed, and the lease was given up
}

// invalidator is what events are applied to.
type invalidator interface {
	invalidateHash(hash uint64)
	invalidateUser(id string)
	invalidateAll()
}

// fresh reports whether the cache may be used.
func (f *feed) fresh(now time.Time) bool { return within(MaxFeedSilence, f.heard, now) }

// clockSetBack drops up to when nothing can have been missed, and when the poll under way was
// sent: both are times of a clock that is no more.
func (f *feed) clockSetBack() {
	f.heard, f.sent, f.doubted = time.Time{}, time.Time{}, true
	f.eager = f.leading
}

func (f *feed) apply(event string) {
	switch kind, hash, user := session.ParseEvent(event); kind {
	case session.OneSession:
		f.invalidator.invalidateHash(hash)
	case session.OneUser:
		f.invalidator.invalidateUser(user)
	default:
		f.invalidator.invalidateAll()
	}
}

// poll returns the next poll of the feed, if this worker leads and none is under way.
func (f *feed) poll(now time.Time) (filter.Callout, bool) {
	if !f.leading || f.asked {
		return filter.Callout{}, false
	}
	wait := hold
	if f.eager {
		wait = 0
	}
	f.asked, f.sent, f.eager = true, now, false
	body := append([]byte(`{"after":`), rawjson.AppendString(nil, f.cursor)...)
	body = strconv.AppendInt(append(body, `,"hold":`...), wait.Milliseconds(), 10)
	c := filter.NewCallout(f.service, api.Feed, string(append(body, '}')))
	c.Timeout = wait + f.service.Timeout
	return c, true
}

// polled handles the answer to a poll, and reports whether it was one. A gap in the feed, or
// an event that cannot be read, invalidates session.EventAll.
func (f *feed) polled(a filter.Answer) bool {
	f.asked = false
	if a.Status != "200" {
		return false
	}
	members, err := rawjson.Object(clone(a.Body), nil) // the caller's, and the events are kept
	cursor, ok := rawjson.String(value(members, "cursor"))
	events, isList := rawjson.Strings(value(members, "events"))
	if err != nil || !ok || !isList {
		return false
	}
	if value(members, "gap") != "false" || f.cursor == "" {
		events = []string{session.EventAll}
	}
	for _, event := range events {
		f.add(event)
	}
	f.cursor, f.heard = cursor, f.sent
	return true
}

// maxRecent is how many events the other workers may be behind, and maxEvent how long one is
// that they are given as it is.
const (
	maxRecent = 512
	maxEvent  = 512
)

func (f *feed) add(event string) {
	if len(event) > maxEvent {
		event = session.EventAll
	}
	f.apply(event)
	f.seq++
	f.recent = append(f.recent, event)
	if len(f.recent) > maxRecent {
		f.recent = append(f.recent[:0], f.recent[len(f.recent)-maxRecent:]...)
	}
}

// learn applies what the leader shares. What cannot be read invalidates session.EventAll.
func (f *feed) learn(shared string, now time.Time) {
	if f.leading && f.asked || shared == "" {
		return // it was ours, or nothing was shared yet
	}
	page, ok := parsePage(shared)
	if !ok {
		f.invalidator.invalidateAll()
		f.heard = time.Time{}
		return
	}
	if f.doubted || page.heard.After(now) {
		f.void, f.doubted = page.heard, false
	}
	if page.heard.Equal(f.void) {
		page.heard = time.Time{}
	}
	if page.seq == f.seq && page.heard.Equal(f.heard) {
		return
	}
	behind := page.seq - f.seq
	if page.seq < f.seq || behind > uint64(len(page.recent)) || f.heard.IsZero() {
		f.invalidator.invalidateAll()
	} else {
		for _, event := range page.recent[uint64(len(page.recent))-behind:] {
			f.apply(event)
		}
	}
	f.seq, f.cursor, f.recent, f.heard = page.seq, page.cursor, page.recent, page.heard
}

// value returns the text of a member, or "" if it is not there.
func value(members []rawjson.Member, name string) string {
	for _, m := range members {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// poll polls the feed, while this worker leads.
func (v *service) poll(w *Worker) {
	if c, ok := v.feed.poll(w.now); ok {
		call := w.newCall()
		call.Callout, call.feed = c, v
		w.Count(CalloutsCounter)
		w.out.Calls = append(w.out.Calls, call)
	}
}

// polled handles the answer to a poll. A leader that gets none lets another worker lead, by
// a connection of its own.
func (v *service) polled(w *Worker, a filter.Answer) {
	if !v.feed.polled(a) {
		if v.feed.resigned.IsZero() {
			w.warn("the feed of the session service at cluster " + v.config.Cluster + " does not answer: " + filter.Reason(a) + "; another worker is to follow it. Without an answer for " + MaxFeedSilence.String() + " nothing that is cached is used")
		}
		v.feed.resigned = w.now
		return
	}
	v.feed.resigned = time.Time{}
	w.out.Writes = append(w.out.Writes, Write{Key: v.learnedKey(), Value: v.feed.page().String()})
	v.poll(w)
}
