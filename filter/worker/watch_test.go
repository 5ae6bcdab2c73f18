package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/session"
)

const renewed = `{"state":"live","key":"%s","expires":2000000000,"data":{"_auth_user_id":"7"}}`

// watching has streams a and b open of one session, of the user u1, and c of another, of u2.
func watching(t *testing.T) (h *host, a, b, c *Stream) {
	t.Helper()
	h = newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	h.cache(keyOf(1), "u1")
	h.cache(keyOf(2), "u2")
	return h, h.request(keyOf(1)), h.request(keyOf(1)), h.request(keyOf(2))
}

// asked returns the keys that are looked up in the next housekeeping.
func (h *host) asked() (keys []string) {
	h.t.Helper()
	h.tick()
	var asked []pendingCall
	for _, c := range h.sent {
		asked = append(asked, c.pending...)
	}
	for _, b := range h.w.batchers {
		asked = append(asked, b.queue...)
	}
	for _, p := range asked {
		keys = append(keys, strings.TrimLeft(p.flight.key, "0"))
	}
	slices.Sort(keys)
	return keys
}

func TestWatch(t *testing.T) {
	hash := func(n int) string { return session.SessionEvent(keyOf(n)) }
	for _, tt := range []struct {
		name          string
		events        []string
		gap           bool
		after         time.Duration
		status, body  string
		asked, ending []string
		again         []string // asked once more afterwards
	}{
		{name: "nothing happens"},
		{name: "the session ends", events: []string{hash(1)}, body: answerNone, asked: []string{"1"}, ending: []string{"a", "b"}},
		{name: "the session changes", events: []string{hash(1)}, body: liveAnswer("u1"), asked: []string{"1"}},
		{name: "an outage", events: []string{hash(1)}, status: "503", asked: []string{"1"}, again: []string{"1"}},
		{name: "nonsense", events: []string{hash(1)}, body: "<html>", asked: []string{"1"}, again: []string{"1"}},
		{name: "a user's sessions end", events: []string{"uu1"}, body: answerNone, asked: []string{"1"}, ending: []string{"a", "b"}},
		{name: "another user's do", events: []string{"u7"}},
		{name: "another session's", events: []string{hash(3)}},
		{name: "a gap", gap: true, body: answerNone, asked: []string{"1", "2"}, ending: []string{"a", "b", "c"}},
		{name: "as old as a cached one may be", after: time.Minute, body: liveAnswer("u1"), asked: []string{"1", "2"}},
		{name: "and not older", after: time.Minute - 2*Housekeeping},
		{name: "deleted without an event", after: time.Minute, body: answerNone, asked: []string{"1", "2"}, ending: []string{"a", "b", "c"}},
		{name: "the end has come", after: 30_000 * time.Hour, body: answerNone, asked: []string{"1", "2"}, ending: []string{"a", "b", "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, a, b, c := watching(t)
			if tt.events != nil || tt.gap {
				h.feed(feedPage("2", tt.gap, tt.events...))
			}
			h.now = h.now.Add(max(0, tt.after-Housekeeping))
			if tt.status == "" {
				tt.status = "200"
			}
			if asked := h.asked(); !slices.Equal(asked, tt.asked) {
				t.Fatalf("asked for %q, want %q", asked, tt.asked)
			}
			for len(h.sent) > 0 {
				h.answer(always(tt.status, tt.body))
			}
			var ending []string
			for name, s := range map[string]*Stream{"a": a, "b": b, "c": c} {
				if h.became[s] == "closed" {
					ending = append(ending, name)
				}
			}
			if slices.Sort(ending); !slices.Equal(ending, tt.ending) {
				t.Errorf("ends %q, want %q", ending, tt.ending)
			}
			if again := h.asked(); !slices.Equal(again, tt.again) {
				t.Errorf("then asks for %q, want %q", again, tt.again)
			}
		})
	}
}

// TestWatchOutrun has an event come while the session is being looked up: the answer may be
// older, and does not count.
func TestWatchOutrun(t *testing.T) {
	for name, events := range map[string][]string{"its own": {session.SessionEvent(keyOf(1))}, "some user": {"u7"}, "all": {"*"}} {
		h, a, _, _ := watching(t)
		h.now = h.now.Add(time.Minute)
		h.tick() // both are looked up
		h.feed(feedPage("2", false, events...))
		sent := len(h.sent)
		if h.asked(); len(h.sent) > sent+1 {
			t.Errorf("%s: looked up while it is being looked up", name)
		}
		for len(h.sent) > 0 {
			h.answer(always("200", answerNone))
		}
		h.want(a, "continue")
		if asked := h.asked(); !slices.Contains(asked, "1") {
			t.Errorf("%s: afterwards asked for %q", name, asked)
		}
	}
}

// TestWatchBecomesAnothers: a session whose user has changed ends with those of the new one.
func TestWatchBecomesAnothers(t *testing.T) {
	h, _, _, _ := watching(t)
	h.feed(feedPage("2", false, session.SessionEvent(keyOf(1))))
	h.asked()
	h.answer(always("200", liveAnswer("8")))
	h.feed(feedPage("3", false, "uu1"))
	if asked := h.asked(); asked != nil {
		t.Errorf("after an event of the old user asked for %q", asked)
	}
	h.feed(feedPage("4", false, "u8"))
	if asked := h.asked(); !slices.Equal(asked, []string{"1"}) {
		t.Errorf("after an event of the new user asked for %q", asked)
	}
}

// TestWatchMoves: a stream that was opened with the old key ends with the session, whose end
// is told by the new one.
func TestWatchMoves(t *testing.T) {
	h, a, b, _ := watching(t)
	h.feed(feedPage("2", false, session.SessionEvent(keyOf(1))))
	h.asked()
	h.answer(always("200", fmt.Sprintf(renewed, keyOf(9))))
	h.want(a, "continue")
	h.feed(feedPage("3", false, session.SessionEvent(keyOf(1))))
	if asked := h.asked(); asked != nil {
		t.Errorf("the old key is still looked up: %q", asked)
	}
	h.gone(b)
	h.feed(feedPage("4", false, "u7"))
	if asked := h.asked(); !slices.Equal(asked, []string{"9"}) {
		t.Fatalf("after an event of the user asked for %q, want the new key", asked)
	}
	h.answer(always("200", answerNone))
	h.want(a, "closed")
}

// TestWatchEndsByTheLimits: a live session that the absolute limit has ended ends its streams.
func TestWatchEndsByTheLimits(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"expiry":{"absolute":"1h"}`))
	h.follow()
	began := fmt.Sprintf(`{"state":"live","expires":2000000000,"data":{"_auth_user_id":"7","_cloakroom_created":%d}}`, start.Unix())
	s := h.request(goodKey)
	h.answer(always("200", began))
	h.want(s, "continue")
	for range 61 {
		h.now = h.now.Add(time.Minute)
		h.tick()
		for len(h.sent) > 0 {
			h.answer(always("200", began))
		}
	}
	h.want(s, "closed")
}

func TestUnwatch(t *testing.T) {
	h, a, b, c := watching(t)
	h.gone(a)
	h.feed(feedPage("2", false, session.SessionEvent(keyOf(1))))
	h.gone(b)
	if asked := h.asked(); asked != nil || len(h.w.order[0].stored.watches.byHash) != 1 || len(h.w.order[0].stored.watches.due) != 0 {
		t.Errorf("asked for %q, %d watched", asked, len(h.w.order[0].stored.watches.byHash))
	}
	h.gone(c)
	if len(h.w.order[0].stored.watches.byHash) != 0 {
		t.Error("a stream that is gone is watched")
	}
}

// TestManyAreRechecked: after a gap all sessions with open streams are looked up again, a
// bounded number in each housekeeping.
func TestManyAreRechecked(t *testing.T) {
	const n = 2*maxRechecks + 10
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h","entries":10000,"bytes":100000000}}},"end_streams":true}`)
	h.follow()
	var streams []*Stream
	for i := range n {
		s := h.request(keyOf(i))
		for len(h.sent) > 0 {
			h.answer(users)
		}
		streams = append(streams, s)
	}
	h.feed(feedPage("2", true))
	for range 4 {
		h.tick()
		if v := h.w.order[0].stored; len(v.flights) > maxRechecks {
			t.Fatalf("%d look-ups are under way", len(v.flights))
		}
		for len(h.sent) > 0 || h.soon {
			if len(h.sent) == 0 {
				h.tickSoon()
				continue
			}
			h.answer(always("200", answerNone))
		}
	}
	if got := h.count(streams, "closed"); got != n {
		t.Errorf("%d of %d streams are closed", got, n)
	}
}

// TestClosedWhileItWaits has a session end while the response of one of its streams waits for
// a change to be stored: the stream is closed, and nothing resumes it afterwards.
func TestClosedWhileItWaits(t *testing.T) {
	for _, refused := range []bool{false, true} {
		h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"accept_updates":true`))
		h.follow()
		h.cache(keyOf(1), "u1")
		s := h.request(keyOf(1))
		h.feed(feedPage("2", false, session.SessionEvent(keyOf(1))))
		h.tick() // it is looked up again
		h.respond(s, [2]string{"x-session-set", `{"a":1}`})
		h.refuse = func(c *Call) bool { return refused && c.Path == "/v1/update" }
		h.answer(always("200", answerNone))
		h.want(s, "closed")
		for range 3 {
			if h.tick(); len(h.sent) > 0 {
				h.answer(always("200", liveAnswer("u1")))
			}
		}
		h.want(s, "closed")
		if held := h.w.Held(); held.Waiting != 0 || held.UnderWay != 0 {
			t.Errorf("holds %+v", held)
		}
	}
}

// TestWatchedOnce: a stream is watched from its admission on and once, whatever its upstream
// answers, and again when its memory serves another request; one without a session is not.
func TestWatchedOnce(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"mode":"optional"`))
	h.follow()
	h.cache(keyOf(1), "u1")
	anonymous := h.requestWith(filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}})
	h.want(anonymous, "continue")
	if held := h.w.Held(); held.Watches != 0 {
		t.Errorf("%d sessions are watched, want none: there is no cookie", held.Watches)
	}
	s := h.request(keyOf(1))
	route, err := h.w.Route("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h.respond(s)
		if held := h.w.Held(); held.Watched != 1 {
			t.Errorf("%d streams are watched, want one", held.Watched)
		}
		at := s.watch
		h.w.StreamDone(s)
		for _, left := range at.streams[:cap(at.streams)] {
			if left != nil {
				t.Error("a stream that is gone is kept")
			}
		}
		h.do(h.w.Request(s, filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"cookie", "sessionid=" + keyOf(1)}}, route, h.now), s)
		if held := h.w.Held(); held.Watched != 1 {
			t.Errorf("used again: %d streams are watched, want one", held.Watched)
		}
	}
}

// TestWatchedByTheAgeOfWhatIsCached: the session of a stream that a cached result admitted is
// looked up again when that is as old as it may be, and not later.
func TestWatchedByTheAgeOfWhatIsCached(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	h.cache(keyOf(1), "u1")
	h.now = h.now.Add(50 * time.Second)
	h.polls = nil
	h.w.order[0].feed.heard = h.now
	h.request(keyOf(1)) // by the cache
	h.request(keyOf(2)) // by a look-up
	h.answer(always("200", liveAnswer("u2")))
	for _, tt := range []struct {
		after time.Duration
		asked []string
	}{{9 * time.Second, nil}, {11 * time.Second, []string{"1"}}, {59 * time.Second, []string{"1"}}, {61 * time.Second, []string{"1", "2"}}} {
		h.now = start.Add(50*time.Second + tt.after)
		if asked := h.asked(); !slices.Equal(asked, tt.asked) {
			t.Errorf("after %s asked for %q, want %q", tt.after, asked, tt.asked)
		}
	}
}

// TestEachHasItsTurn: where the service fails, the sessions with open streams are looked up in
// turn, and not the first of them again and again.
func TestEachHasItsTurn(t *testing.T) {
	const n = maxRechecks + maxRechecks/2
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h","entries":10000,"bytes":100000000}}},"end_streams":true}`)
	h.follow()
	for i := range n {
		h.request(keyOf(i))
		for len(h.sent) > 0 {
			h.answer(users)
		}
	}
	h.feed(feedPage("2", true))
	asked := map[string]bool{}
	for range 2 {
		h.tick()
		for len(h.sent) > 0 || h.soon {
			if len(h.sent) == 0 {
				h.tickSoon()
				continue
			}
			h.answer(func(_, body string) (string, string) {
				asked[strings.Clone(body)] = true
				return "503", ""
			})
		}
	}
	if len(asked) != n {
		t.Errorf("%d of %d sessions were looked up in two rounds", len(asked), n)
	}
}
