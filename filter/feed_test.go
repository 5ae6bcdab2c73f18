package filter

import (
	"fmt"
	"testing"
	"time"

	"cloakroom/session"
)

func testService() *Service {
	r := defaultRoute()
	r.Service.Cluster = "sessions"
	return &r.Service
}

// worker is one of a process's, with shared data in place of the host's.
type worker struct {
	*Lookups[string]
	shared *map[string]string
}

func newWorker(id string, shared *map[string]string) *worker {
	w := &worker{NewLookups[string](testService()), shared}
	w.Feed.Identify(id)
	return w
}

// tick is what the plugin does every so often; polled says that the feed is
// asked for.
func (w *worker) tick(now time.Time) (polled bool) {
	if next := w.Feed.Lead((*w.shared)["lead"], now); next != "" {
		(*w.shared)["lead"] = next
		w.Feed.Won(true)
	}
	if learned, ok := (*w.shared)["feed"]; ok {
		w.Feed.Learn(learned)
	}
	_, polled = w.Feed.Poll(now)
	return polled
}

// hear takes the answer to a request for the feed.
func (w *worker) hear(sent time.Time, body string) {
	w.Feed.sent = sent
	w.Feed.Polled(Answer{"200", body})
	(*w.shared)["feed"] = w.Feed.Shared()
}

func (w *worker) knows(key string) bool { _, ok := w.Cache.get(key); return ok }

func (w *worker) remember(keys ...string) {
	for _, key := range keys {
		w.Cache.put(key, sessionOf(`{"_auth_user_id":"`+key+`"}`), now)
	}
}

func page(cursor string, gap bool, events ...string) string {
	list := ""
	for i, e := range events {
		if i > 0 {
			list += ","
		}
		list += `"` + e + `"`
	}
	return fmt.Sprintf(`{"cursor":"%s","gap":%v,"events":[%s]}`, cursor, gap, list)
}

// TestOneLeads has several workers and one who asks; when it falls silent,
// another takes over where it stopped, without a gap.
func TestOneLeads(t *testing.T) {
	shared := map[string]string{}
	a, b := newWorker("a", &shared), newWorker("b", &shared)
	if !a.tick(now) || b.tick(now) {
		t.Fatal("the first does not lead alone")
	}
	if b.Feed.Trusted(now) || a.Feed.Trusted(now) {
		t.Fatal("trusted before anything was heard")
	}
	a.hear(now, page("7", true))
	b.tick(now)
	a.remember("1", "2")
	b.remember("1", "2")
	for _, w := range []*worker{a, b} {
		if !w.Feed.Trusted(now) || w.Feed.Trusted(now.Add(Trust)) {
			t.Error("trust does not begin and end as stated")
		}
	}
	if !a.tick(now.Add(term - 1)) {
		t.Error("the leader does not go on")
	}
	later := now.Add(3 * term)
	if !b.tick(later) {
		t.Fatal("nobody takes over")
	}
	if c, _ := b.Feed.Poll(later); c.Path != "" {
		t.Error("the new leader asks twice")
	}
	b.hear(later, page("8", false, session.SessionEvent("1")))
	if a.tick(later) {
		t.Error("the old leader still leads")
	}
	for _, w := range []*worker{a, b} {
		if w.knows("1") || !w.knows("2") {
			t.Errorf("knows 1: %v, 2: %v", w.knows("1"), w.knows("2"))
		}
	}
}

func TestPollAsksForWhatIsNext(t *testing.T) {
	shared := map[string]string{}
	w := newWorker("a", &shared)
	w.Feed.Won(true)
	first, _ := w.Feed.Poll(now)
	w.hear(now, page(`x\"1`, true))
	second, _ := w.Feed.Poll(now)
	if first.Body != `{"after":"","hold":1000}` || second.Body != `{"after":"x\"1","hold":1000}` || second.Timeout <= hold {
		t.Errorf("asked %s, then %s for %s", first.Body, second.Body, second.Timeout)
	}
}

// TestTrustFromTheQuestion: an answer that was long on its way says nothing of what
// ended meanwhile.
func TestTrustFromTheQuestion(t *testing.T) {
	shared := map[string]string{}
	w := newWorker("a", &shared)
	if !w.tick(now) {
		t.Fatal("does not ask")
	}
	if w.tick(now.Add(term / 4)) {
		t.Fatal("asks twice")
	}
	w.Feed.Polled(Answer{"200", page("7", true)})
	if !w.Feed.Trusted(now.Add(Trust-1)) || w.Feed.Trusted(now.Add(Trust)) {
		t.Error("trust does not last from when the feed was asked for")
	}
}

// TestClockSetBack: nothing is believed for longer because the clock was set back, nor does
// anybody wait for it to come again.
func TestClockSetBack(t *testing.T) {
	shared := map[string]string{}
	a, b := newWorker("a", &shared), newWorker("b", &shared)
	a.tick(now)
	a.hear(now, page("7", true))
	b.tick(now)
	before := now.Add(-time.Hour)
	if a.Feed.Trusted(before) || b.Feed.Trusted(before) {
		t.Error("trusted at a time before anything was heard")
	}
	if !b.tick(before) {
		t.Fatal("the feed is not asked for again")
	}
	if a.tick(before) {
		t.Error("two lead")
	}
	b.hear(before, page("8", false))
	a.tick(before)
	for _, w := range []*worker{a, b} {
		if !w.Feed.Trusted(before) || w.Feed.Trusted(before.Add(Trust)) {
			t.Error("trust does not begin and end as stated")
		}
	}
}

// TestEvents sees what each answer leaves of three sessions: of users 1, 2, 3.
func TestEvents(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		left       string
		trusted    bool
	}{
		{"nothing", page("8", false), "123", true},
		{"a session", page("8", false, session.SessionEvent("2")), "13", true},
		{"a user", page("8", false, "u3"), "12", true},
		{"several", page("8", false, session.SessionEvent("2"), "u3"), "1", true},
		{"all", page("8", false, "*"), "", true},
		{"a gap", page("8", true), "", true},
		{"what is not known", page("8", false, "z9"), "", true},
		{"an empty event", page("8", false, ""), "", true},
		{"no gap said", `{"cursor":"8","events":[]}`, "", true},
		{"no cursor", `{"gap":false,"events":[]}`, "123", false},
		{"no events", `{"cursor":"8","gap":false}`, "123", false},
		{"half an answer", `{"cursor":"8","gap":fal`, "123", false},
		{"HTML", `<html>`, "123", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := map[string]string{}
			w, other := newWorker("a", &shared), newWorker("b", &shared)
			w.tick(now)
			w.hear(now, page("7", true))
			other.tick(now)
			w.remember("1", "2", "3")
			other.remember("1", "2", "3")
			later := now.Add(Trust)
			w.Feed.asked = true
			w.hear(later, tt.body)
			other.tick(later)
			for _, w := range []*worker{w, other} {
				left := ""
				for _, key := range []string{"1", "2", "3"} {
					if w.knows(key) {
						left += key
					}
				}
				if left != tt.left || w.Feed.Trusted(later) != tt.trusted {
					t.Errorf("left %q, trusted %v; want %q, %v", left, w.Feed.Trusted(later), tt.left, tt.trusted)
				}
			}
		})
	}
}

// TestFarBehind has a worker that missed more events than are shared.
func TestFarBehind(t *testing.T) {
	shared := map[string]string{}
	w, other := newWorker("a", &shared), newWorker("b", &shared)
	w.tick(now)
	w.hear(now, page("7", true))
	other.tick(now)
	other.remember("1")
	for i := range maxRecent + 1 {
		w.hear(now, page("8", false, session.SessionEvent(fmt.Sprint("x", i))))
	}
	if other.tick(now); other.knows("1") {
		t.Error("a worker that missed events trusts what it has")
	}
	other.remember("1")
	w.hear(now, page("9", false, session.SessionEvent("y")))
	if other.tick(now); !other.knows("1") {
		t.Error("a worker that missed nothing forgets")
	}
	if n := len(shared["feed"]); n > 20*(maxRecent+2) {
		t.Errorf("%d bytes are shared", n)
	}
}

// TestAnswerOutrunByAnEvent does not remember what was asked before a session
// changed.
func TestAnswerOutrunByAnEvent(t *testing.T) {
	live := Answer{"200", liveAnswer}
	for name, event := range map[string]string{"the session": session.SessionEvent(goodKey), "some user": "u1", "all": "*"} {
		shared := map[string]string{}
		w := newWorker("a", &shared)
		w.tick(now)
		w.hear(now, page("7", true))
		if !w.Join(goodKey, &Stream{}, "first") || w.Join(goodKey, &Stream{}, "second") {
			t.Fatal("two are to ask")
		}
		w.hear(now, page("8", false, event))
		if known, waiting, _ := w.Answer(goodKey, live, now); len(waiting) != 2 || known.record.verdict != liveSession || w.knows(goodKey) {
			t.Errorf("%s: %d wait, remembered: %v", name, len(waiting), w.knows(goodKey))
		}
		w.Join(goodKey, &Stream{}, "third")
		w.hear(now, page("9", false, session.SessionEvent("another")))
		if w.Answer(goodKey, live, now); !w.knows(goodKey) {
			t.Errorf("%s: an answer that nothing outran is not remembered", name)
		}
	}
}

// TestMemory goes through what may be believed when.
func TestMemory(t *testing.T) {
	p := CachePolicy{TTL: 10 * time.Second, NegativeTTL: time.Second, Stale: time.Minute}
	c := NewCache(10, 1<<20)
	c.put("live", sessionOf(`{}`), now)
	c.put("none", none, now)
	for _, tt := range []struct {
		key          string
		trusted      bool
		after        time.Duration
		fresh, stale bool
	}{
		{"live", true, 0, true, true},
		{"live", true, 10*time.Second - 1, true, true},
		{"live", true, 10 * time.Second, false, true},
		{"live", false, 0, false, true},
		{"live", false, time.Minute - 1, false, true},
		{"live", true, time.Minute, false, false},
		{"none", true, time.Second - 1, true, false},
		{"none", true, time.Second, false, false},
		{"live", true, -1, false, false}, // the clock was set back
		{"none", true, -1, false, false},
		{"strange", true, 0, false, false},
	} {
		m := Memory{c, tt.trusted}
		_, fresh := m.fresh(tt.key, &p, now.Add(tt.after))
		_, stale := m.stale(tt.key, &p, now.Add(tt.after))
		if fresh != tt.fresh || stale != tt.stale {
			t.Errorf("%+v: fresh %v, stale %v", tt, fresh, stale)
		}
	}
	var zero Memory
	if _, ok := zero.fresh("live", &p, now); ok {
		t.Error("the zero value knows")
	}
	if _, ok := (Memory{c, true}).fresh("live", &CachePolicy{}, now); ok {
		t.Error("the zero policy believes")
	}
}

// TestOutageIsNotRemembered: no answer says nothing about the session.
func TestOutageIsNotRemembered(t *testing.T) {
	for _, a := range []Answer{{}, {"503", ""}, {"200", "<html>"}, {"404", answerNone}} {
		shared := map[string]string{}
		w := newWorker("a", &shared)
		w.Join(goodKey, &Stream{}, "who asks")
		if w.Answer(goodKey, a, now); w.knows(goodKey) {
			t.Errorf("%+v is remembered", a)
		}
	}
}

// TestOneHashForTwoKeys: a session is never taken for another's.
func TestOneHashForTwoKeys(t *testing.T) {
	c := NewCache(10, 1<<20)
	c.put("mine", sessionOf(`{"_auth_user_id":"1"}`), now)
	c.byHash[session.KeyHash("yours")] = c.byHash[session.KeyHash("mine")] // as if they had one
	if e, ok := c.get("yours"); ok {
		t.Errorf("the key of one opens %s", e.record.text)
	}
}
