package worker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session"
)

// peer is one of a process's workers, with shared data in place of the host's.
type peer struct {
	*Worker
	*service
	shared *map[string]string
}

func newPeer(t *testing.T, id string, shared *map[string]string) *peer {
	t.Helper()
	parsed, err := config.Parse(fmt.Sprintf(cachedConfig, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := New(parsed, Options{ID: id})
	return &peer{w, w.order[0], shared}
}

// tick is the part of the housekeeping that the feed needs; polled says that it is polled.
func (p *peer) tick(now time.Time) (polled bool) {
	if next := p.feed.lead((*p.shared)["lead"], now); next != "" {
		(*p.shared)["lead"] = next
		if next != noLeader {
			p.feed.acquired(true)
		}
	}
	p.feed.learn((*p.shared)["feed"], now)
	_, polled = p.feed.poll(now)
	return polled
}

// hear handles the answer to a poll.
func (p *peer) hear(sent time.Time, body string) {
	p.feed.sent = sent
	p.feed.polled(filter.Answer{Status: "200", Body: body})
	(*p.shared)["feed"] = p.feed.page().String()
}

func (p *peer) has(key string) bool { return p.stored.sessions.Get(key) != nil }

func (p *peer) cache(keys ...string) {
	for _, key := range keys {
		p.stored.put(key, filter.ParseAnswer(filter.Answer{Status: "200", Body: liveAnswer(key)}, nil), start)
	}
}

// TestOneLeads has several workers and one who asks; when it falls silent,
// another takes over where it stopped, without a gap.
func TestOneLeads(t *testing.T) {
	shared := map[string]string{}
	a, b := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	if !a.tick(start) || b.tick(start) {
		t.Fatal("the first does not lead alone")
	}
	if b.feed.fresh(start) || a.feed.fresh(start) {
		t.Fatal("trusted before anything was heard")
	}
	a.hear(start, feedPage("7", true))
	b.tick(start)
	a.cache("1", "2")
	b.cache("1", "2")
	for _, w := range []*peer{a, b} {
		if !w.feed.fresh(start) || w.feed.fresh(start.Add(MaxFeedSilence)) {
			t.Error("trust does not begin and end as stated")
		}
	}
	if !a.tick(start.Add(term - 1)) {
		t.Error("the leader does not go on")
	}
	later := start.Add(3 * term)
	if !b.tick(later) {
		t.Fatal("nobody takes over")
	}
	if c, _ := b.feed.poll(later); c.Path != "" {
		t.Error("the new leader asks twice")
	}
	b.hear(later, feedPage("8", false, session.SessionEvent("1")))
	if a.tick(later) {
		t.Error("the old leader still leads")
	}
	for _, w := range []*peer{a, b} {
		if w.has("1") || !w.has("2") {
			t.Errorf("knows 1: %v, 2: %v", w.has("1"), w.has("2"))
		}
	}
}

func TestPollAsksForWhatIsNext(t *testing.T) {
	shared := map[string]string{}
	w := newPeer(t, "a", &shared)
	w.feed.acquired(true)
	first, _ := w.feed.poll(start)
	w.hear(start, feedPage(`x\"1`, true))
	second, _ := w.feed.poll(start)
	if first.Body != `{"after":"","hold":0}` || second.Body != `{"after":"x\"1","hold":1000}` || second.Timeout <= hold {
		t.Errorf("asked %s, then %s for %s", first.Body, second.Body, second.Timeout)
	}
}

// TestTrustFromTheQuestion: an answer that was long on its way says nothing of what
// ended meanwhile.
func TestTrustFromTheQuestion(t *testing.T) {
	shared := map[string]string{}
	w := newPeer(t, "a", &shared)
	if !w.tick(start) {
		t.Fatal("does not ask")
	}
	if w.tick(start.Add(term / 4)) {
		t.Fatal("asks twice")
	}
	w.feed.polled(filter.Answer{Status: "200", Body: feedPage("7", true)})
	if !w.feed.fresh(start.Add(MaxFeedSilence-1)) || w.feed.fresh(start.Add(MaxFeedSilence)) {
		t.Error("trust does not last from when the feed was asked for")
	}
}

// TestClockSetBack: nothing is believed for longer because the clock was set back, nor does
// anybody wait for it to come again.
func TestClockSetBack(t *testing.T) {
	shared := map[string]string{}
	a, b := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	a.tick(start)
	a.hear(start, feedPage("7", true))
	b.tick(start)
	before := start.Add(-time.Hour)
	if a.feed.fresh(before) || b.feed.fresh(before) {
		t.Error("trusted at a time before anything was heard")
	}
	if !b.tick(before) {
		t.Fatal("the feed is not asked for again")
	}
	if a.tick(before) {
		t.Error("two lead")
	}
	b.hear(before, feedPage("8", false))
	a.tick(before)
	for _, w := range []*peer{a, b} {
		if !w.feed.fresh(before) || w.feed.fresh(before.Add(MaxFeedSilence)) {
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
		{"nothing", feedPage("8", false), "123", true},
		{"a session", feedPage("8", false, session.SessionEvent("2")), "13", true},
		{"a user", feedPage("8", false, "u3"), "12", true},
		{"several", feedPage("8", false, session.SessionEvent("2"), "u3"), "1", true},
		{"all", feedPage("8", false, "*"), "", true},
		{"a gap", feedPage("8", true), "", true},
		{"what is not known", feedPage("8", false, "z9"), "", true},
		{"an empty event", feedPage("8", false, ""), "", true},
		{"no gap said", `{"cursor":"8","events":[]}`, "", true},
		{"no cursor", `{"gap":false,"events":[]}`, "123", false},
		{"no events", `{"cursor":"8","gap":false}`, "123", false},
		{"half an answer", `{"cursor":"8","gap":fal`, "123", false},
		{"HTML", `<html>`, "123", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := map[string]string{}
			w, other := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
			w.tick(start)
			w.hear(start, feedPage("7", true))
			other.tick(start)
			w.cache("1", "2", "3")
			other.cache("1", "2", "3")
			later := start.Add(MaxFeedSilence)
			w.feed.asked = true
			w.hear(later, tt.body)
			other.tick(later)
			for _, w := range []*peer{w, other} {
				left := ""
				for _, key := range []string{"1", "2", "3"} {
					if w.has(key) {
						left += key
					}
				}
				if left != tt.left || w.feed.fresh(later) != tt.trusted {
					t.Errorf("left %q, trusted %v; want %q, %v", left, w.feed.fresh(later), tt.left, tt.trusted)
				}
			}
		})
	}
}

// TestFarBehind has a worker that missed more events than are shared.
func TestFarBehind(t *testing.T) {
	shared := map[string]string{}
	w, other := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	w.tick(start)
	w.hear(start, feedPage("7", true))
	other.tick(start)
	other.cache("1")
	for i := range maxRecent + 1 {
		w.hear(start, feedPage("8", false, session.SessionEvent(fmt.Sprint("x", i))))
	}
	if other.tick(start); other.has("1") {
		t.Error("a worker that missed events trusts what it has")
	}
	other.cache("1")
	w.hear(start, feedPage("9", false, session.SessionEvent("y")))
	if other.tick(start); !other.has("1") {
		t.Error("a worker that missed nothing forgets")
	}
	if n := len(shared["feed"]); n > 20*(maxRecent+2) {
		t.Errorf("%d bytes are shared", n)
	}
}

// TestLeaderResigns: a leader whose poll fails gives the lease up, so that another worker polls
// by a connection of its own; alone, it leads again.
func TestLeaderResigns(t *testing.T) {
	shared := map[string]string{}
	a, b := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	now := start
	if !a.tick(now) || b.tick(now) {
		t.Fatal("the first does not lead alone")
	}
	a.begin(nil, true, now)
	a.polled(a.Worker, filter.Answer{Status: "504"})
	if len(a.out.Warnings) != 1 || !strings.Contains(a.out.Warnings[0], "within engine.service.timeout") {
		t.Errorf("the warnings are %q", a.out.Warnings)
	}
	now = now.Add(Housekeeping)
	if a.tick(now) {
		t.Error("the one whose poll failed still leads")
	}
	if !b.tick(now) {
		t.Fatal("the other does not take over")
	}
	b.hear(now, feedPage("7", true))
	for range 20 {
		now = now.Add(Housekeeping)
		if a.tick(now) {
			t.Fatal("two lead")
		}
		b.tick(now)
	}
	if !a.feed.fresh(now) && now.Sub(start) < MaxFeedSilence {
		t.Error("the cache is not used, though the feed is followed")
	}
	b.feed.asked = false // its poll fails
	b.begin(nil, true, now)
	b.polled(b.Worker, filter.Answer{})
	for _, p := range []*peer{b, a} { // a is gone, and b alone
		_ = p
	}
	led := false
	for range 10 {
		now = now.Add(Housekeeping)
		led = led || b.tick(now)
	}
	if !led {
		t.Error("a worker that is alone does not lead again")
	}
}

// TestShared: nothing in an event can be taken for another, and what is not whole is nothing.
func TestShared(t *testing.T) {
	for _, p := range []page{
		{heard: time.UnixMilli(0)},
		{time.UnixMilli(1_900_000_000_123), 7, "a b\nc", []string{"u7\n", "*\nu8", "", "h0", "ü\x00", strings.Repeat("x", maxEvent)}},
		{time.UnixMilli(-1), 1 << 63, "", []string{""}},
	} {
		got, ok := parsePage(p.String())
		if !ok || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", p) {
			t.Errorf("got %q, %v; want %q", got, ok, p)
		}
		for i := range len(p.String()) {
			if _, ok := parsePage(p.String()[:i]); ok {
				t.Errorf("%d bytes of %d are taken for a page", i, len(p.String()))
			}
		}
	}
	// Whatever users are called, the other workers apply what the leader applied.
	shared := map[string]string{}
	a, b := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	a.tick(start)
	a.hear(start, feedPage("7", true))
	b.tick(start)
	for _, user := range []string{"7\n", "\n", "7\nu8\n*", "", "\r\n h0", strings.Repeat("\n", 2*maxEvent)} {
		for _, p := range []*peer{a, b} {
			p.cache("other")
			p.stored.put("mine", filter.ParseAnswer(filter.Answer{Status: "200", Body: strings.Replace(liveAnswer("x"), `"x"`, fmt.Sprintf("%q", user), 1)}, nil), start)
		}
		a.hear(start, fmt.Sprintf(`{"cursor":"8","gap":false,"events":[%q]}`, session.UserEvent(user)))
		b.tick(start)
		for _, p := range []*peer{a, b} {
			if p.has("mine") {
				t.Errorf("after an event of %.10q a session of that user is cached", user)
			}
		}
		if a.has("other") != b.has("other") {
			t.Errorf("after an event of %.10q the workers differ on another's session", user)
		}
	}
	// A worker that cannot read what is shared invalidates all, and goes on.
	for _, text := range []string{"1 2 3\nu7", "x", p7[:len(p7)-1], "\x00" + p7[1:]} {
		b.cache("other")
		shared["feed"] = text
		if b.tick(start); b.has("other") || b.feed.fresh(start) {
			t.Errorf("after %q the cache is used", text)
		}
	}
	a.hear(start, feedPage("9", false))
	if b.tick(start); !b.feed.fresh(start) {
		t.Error("does not recover")
	}
}

var p7 = page{start, 7, "7", []string{"u7"}}.String()

// FuzzShared holds that no shared data makes a worker panic or use much memory, and that what
// is read is what was written.
func FuzzShared(f *testing.F) {
	f.Add([]byte(p7), "u7", "\n")
	f.Add([]byte("\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "", "h1")
	f.Fuzz(func(t *testing.T, data []byte, one, other string) {
		if p, ok := parsePage(string(data)); ok && !bytes.Equal([]byte(p.String()), data) {
			t.Fatalf("%q is read as %q", data, p)
		}
		shared := map[string]string{}
		w := newPeer(t, "a", &shared)
		w.tick(start)
		w.hear(start, feedPage("7", true))
		w.feed.asked = false
		w.feed.leading = false
		w.feed.learn(string(data), start)
		p := page{start, 2, other, []string{one, other}}
		if got, ok := parsePage(p.String()); !ok || got.cursor != other || got.recent[0] != one || got.recent[1] != other {
			t.Fatalf("got %q, want %q", got, p)
		}
		w.feed.learn(p.String(), start)
	})
}
