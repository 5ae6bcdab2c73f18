package worker

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"cloakroom/filter"
	"cloakroom/session"
)

// TestLeaseIsRenewedInTime: a leader writes its lease once in half a term, and one that has
// resigned does not take a lease that is free.
func TestLeaseIsRenewedInTime(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	v := h.w.order[0]
	leases := 0
	for range int(term / Housekeeping) {
		h.now = h.now.Add(Housekeeping)
		o := h.w.Tick([]SharedData{{Value: h.shared[v.leaderKey()]}, {Value: h.shared[v.learnedKey()]}}, h.now)
		for _, write := range o.Writes {
			if write.Lease {
				leases++
			}
		}
		h.do(o, nil)
	}
	if leases != 2 {
		t.Errorf("the lease is written %d times in a term, want 2", leases)
	}
	v.feed.resigned = h.now
	if next := v.feed.lead("", h.now); next != "" {
		t.Errorf("one that has just resigned leads again: %q", next)
	}
}

// TestPollsAreCounted, as the callouts that they are, and each answer is shared.
func TestPollsAreCounted(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.feed(feedPage("2", false))
	counted := uint64(0)
	h.w.Counts(func(counter filter.Outcome, n uint64) {
		if counter == CalloutsCounter {
			counted = n
		}
	})
	if counted != 3 {
		t.Errorf("%d polls are counted, want 3", counted)
	}
	if page, ok := parsePage(h.shared[h.w.order[0].learnedKey()]); !ok || page.cursor != "2" {
		t.Errorf("%+v is shared, want the cursor 2", page)
	}
}

// TestEachOutageOfTheFeedIsLogged, once.
func TestEachOutageOfTheFeedIsLogged(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	for range 2 {
		h.log = nil
		for range 3 {
			for end := h.now.Add(2 * term); len(h.polls) == 0 && h.now.Before(end); {
				h.tick()
			}
			c := h.polls[0]
			h.polls = nil
			h.do(h.w.CalloutDone(c, filter.Answer{Status: "503", Body: feedPage("2", false)}, h.now), nil)
		}
		if len(h.log) != 1 || !strings.Contains(h.log[0], "feed of the session service") {
			t.Errorf("the log is %q, want one line", h.log)
		}
		for end := h.now.Add(2 * term); len(h.polls) == 0 && h.now.Before(end); {
			h.tick()
		}
		h.feed(feedPage("2", false))
	}
}

// TestClockSetBackPollsAtOnce: what is heard by the clock as it is now is not waited for.
func TestClockSetBackPollsAtOnce(t *testing.T) {
	w := newPeer(t, "a", &map[string]string{})
	w.tick(start)
	w.hear(start, feedPage("7", true))
	w.feed.clockSetBack()
	if c, ok := w.feed.poll(start); !ok || c.Body != `{"after":"7","hold":0}` {
		t.Errorf("the poll is %q, want one that is not held", c.Body)
	}
}

// TestAnswersAreTakenFromTheService: a page with another status than 200 is none.
func TestAnswersAreTakenFromTheService(t *testing.T) {
	w := newPeer(t, "a", &map[string]string{})
	w.tick(start)
	if w.feed.polled(filter.Answer{Status: "503", Body: feedPage("7", true)}) || w.feed.fresh(start) {
		t.Error("the body of a 503 is taken for a page")
	}
}

// TestLongEventIsForAll: the workers share no event longer than maxEvent, and what is in its
// place invalidates more, in the leader too.
func TestLongEventIsForAll(t *testing.T) {
	shared := map[string]string{}
	leader, other := newPeer(t, "a", &shared), newPeer(t, "b", &shared)
	leader.tick(start)
	leader.hear(start, feedPage("7", true))
	other.tick(start)
	leader.cache("1")
	other.cache("1")
	leader.hear(start, feedPage("8", false, "u"+strings.Repeat("x", maxEvent)))
	other.tick(start)
	if leader.has("1") || other.has("1") {
		t.Error("a session is cached after an event that is too long to be shared")
	}
	if got := leader.feed.recent[len(leader.feed.recent)-1]; got != session.EventAll {
		t.Errorf("%d bytes are shared as an event", len(got))
	}
}

// TestLearnsNothingFromNothing: neither data that is not there, nor a page that it has, nor
// another's while it polls itself, changes what a worker has; a page that cannot be read
// invalidates the cache, and the worker goes on where it was.
func TestLearnsNothingFromNothing(t *testing.T) {
	for _, tt := range []struct {
		name, shared  string
		leading, kept bool
	}{
		{name: "nothing is shared", kept: true},
		{name: "nothing was heard", shared: page{}.String(), kept: true},
		{name: "it polls itself", shared: "?", leading: true, kept: true},
		{name: "unreadable", shared: "?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newPeer(t, "a", &map[string]string{})
			w.cache("1")
			w.feed.leading, w.feed.asked, w.feed.doubted = tt.leading, tt.leading, true
			w.feed.cursor = "7"
			for range 2 {
				w.feed.learn(tt.shared, start)
			}
			if w.has("1") != tt.kept {
				t.Errorf("cached: %v, want %v", w.has("1"), tt.kept)
			}
			if tt.shared == "?" && (w.feed.cursor != "7" || !w.feed.doubted) {
				t.Errorf("goes on at %q, and doubts: %v", w.feed.cursor, w.feed.doubted)
			}
		})
	}
}

// TestCutPages: a page that ends too early is none, though its checksum is right.
func TestCutPages(t *testing.T) {
	whole := []byte(page{start, 7, "cursor", []string{"u7", session.EventAll}}.String())
	for n := range len(whole) - 4 {
		cut := slices.Clone(whole[:4+n])
		binary.LittleEndian.PutUint32(cut, crc32.ChecksumIEEE(cut[4:]))
		if p, ok := parsePage(string(cut)); ok {
			t.Errorf("%d bytes of %d are %+v", n, len(whole)-4, p)
		}
	}
}
