package filter

import (
	"strconv"
	"strings"
	"time"

	"cloakroom/session/rawjson"
)

// feedPath is the session service's feed of sessions that ended or changed.
const feedPath = "/v1/feed"

// Hold is how long the service may keep a request for the feed open. Each
// answer, an empty one too, says that nothing was missed.
const hold = time.Second

// Trust is how long the cache is believed after the last request for the feed was sent
// that has been answered: from then on sessions can have ended unheard, however long
// the answer was on its way.
const Trust = 3 * time.Second

// Feed follows the service's feed, for one process of several workers. One of
// them, the leader, asks the service; the others read what it has learned from
// data that the workers share.
type Feed struct {
	service *Service
	drops   dropper
	id      string // this worker's, among those that could lead

	cursor  string
	asked   bool
	sent    time.Time // when the last request was
	heard   time.Time // up to when nothing can have been missed
	seq     uint64    // of the last event that was applied
	recent  []string  // the last events; the very last has the number seq
	leading bool
}

// dropper is who forgets what events name.
type dropper interface {
	dropHash(hash uint64)
	dropUser(id string)
	clear()
}

func newFeed(s *Service, d dropper) Feed { return Feed{service: s, drops: d} }

// Identify gives the worker its name among the others.
func (f *Feed) Identify(id string) { f.id = id }

// Trusted reports whether the cache may be believed.
func (f *Feed) Trusted(now time.Time) bool {
	return within(Trust, f.heard, now)
}

// The events, as texts:
//
//	h0123456789abcdef  the session whose key has this hash (session.KeyHash), in hexadecimal
//	u42                all sessions of the user 42
//	*                  all sessions
const everything = "*"

func (f *Feed) apply(event string) {
	what, rest := event[0], event[1:]
	hash, err := strconv.ParseUint(rest, 16, 64)
	switch {
	case what == 'h' && err == nil:
		f.drops.dropHash(hash)
	case what == 'u':
		f.drops.dropUser(rest)
	default:
		f.drops.clear()
	}
}

// Poll gives the next request for the feed, if this worker leads and none is
// under way.
func (f *Feed) Poll(now time.Time) (Callout, bool) {
	if !f.leading || f.asked {
		return Callout{}, false
	}
	f.asked, f.sent = true, now
	body := append([]byte(`{"after":`), rawjson.AppendString(nil, f.cursor)...)
	body = strconv.AppendInt(append(body, `,"hold":`...), hold.Milliseconds(), 10)
	c := f.service.callout(feedPath, string(append(body, '}')))
	c.Timeout = hold + f.service.Timeout
	return c, true
}

// Polled takes the answer to Poll. A gap in the feed, or an answer that cannot
// be read, empties the cache.
func (f *Feed) Polled(a Answer) {
	f.asked = false
	if a.Status != "200" {
		return
	}
	members, err := rawjson.Object(strings.Clone(a.Body), nil) // the caller's, and the events are kept
	cursor, ok := rawjson.String(value(members, "cursor"))
	events, isList := rawjson.Strings(value(members, "events"))
	if err != nil || !ok || !isList {
		return
	}
	if value(members, "gap") != "false" || f.cursor == "" {
		events = []string{everything}
	}
	for _, event := range events {
		if event == "" {
			event = everything
		}
		f.add(event)
	}
	f.cursor, f.heard = cursor, f.sent
}

// maxRecent is how many events the other workers may be behind.
const maxRecent = 512

func (f *Feed) add(event string) {
	f.apply(event)
	f.seq++
	f.recent = append(f.recent, event)
	if len(f.recent) > maxRecent {
		f.recent = append(f.recent[:0], f.recent[len(f.recent)-maxRecent:]...)
	}
}

// Shared gives what the leader has learned, for the others.
func (f *Feed) Shared() string {
	out := strconv.AppendInt(nil, f.heard.UnixMilli(), 10)
	out = strconv.AppendUint(append(out, ' '), f.seq, 10)
	out = append(append(out, ' '), f.cursor...)
	for _, event := range f.recent {
		out = append(append(out, '\n'), event...)
	}
	return string(out)
}

// Learn takes what the leader shares.
func (f *Feed) Learn(shared string) {
	if f.leading && f.asked {
		return // it was ours
	}
	head, rest, _ := strings.Cut(shared, "\n")
	words := strings.SplitN(head, " ", 3)
	if len(words) != 3 {
		return
	}
	millis, err1 := strconv.ParseInt(words[0], 10, 64)
	seq, err2 := strconv.ParseUint(words[1], 10, 64)
	if err1 != nil || err2 != nil || (seq == f.seq && millis == f.heard.UnixMilli()) {
		return
	}
	var events []string
	if rest != "" {
		events = strings.Split(rest, "\n")
	}
	behind := seq - f.seq
	if seq < f.seq || behind > uint64(len(events)) || f.heard.IsZero() {
		f.drops.clear()
	} else {
		for _, event := range events[uint64(len(events))-behind:] {
			f.apply(event)
		}
	}
	f.seq, f.cursor, f.recent = seq, words[2], events
	f.heard = time.UnixMilli(millis)
}

// term is how long a leader leads without a word.
const term = time.Second

// Lead decides who leads, by what stands in the shared data: the leader's name
// and the end of its term. It gives what is to stand there, or "" to leave it
// as it is. won is to say whether that could be written.
func (f *Feed) Lead(current string, now time.Time) (next string) {
	name, until, _ := strings.Cut(current, " ")
	millis, err := strconv.ParseInt(until, 10, 64)
	left := millis - now.UnixMilli()
	holds := err == nil && left > 0 && left <= term.Milliseconds() // longer is a clock that was set back
	if name != f.id && holds {
		f.leading = false
		return ""
	}
	if name == f.id && holds && left > term.Milliseconds()/2 {
		f.leading = true
		return ""
	}
	return f.id + " " + strconv.FormatInt(now.Add(term).UnixMilli(), 10)
}

// Won says whether what Lead gave could be written: others may have been
// faster.
func (f *Feed) Won(won bool) { f.leading = won }
