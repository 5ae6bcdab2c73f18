package worker

import (
	"fmt"
	"testing"
	"time"
)

// TestClockSetBackEndsTheCache has the clock set back, and come again to where it was: what was
// cached before is as old as it was, and more.
func TestClockSetBackEndsTheCache(t *testing.T) {
	const back = 10 * time.Second
	t.Run("sessions", func(t *testing.T) {
		h := newHost(t, fmt.Sprintf(cachedConfig, ""))
		h.follow()
		h.cache(keyOf(1), "u1")
		h.now = h.now.Add(-back)
		h.tickNow()
		for range int(back / Housekeeping) { // the feed goes on
			h.tick()
			if len(h.polls) > 0 {
				h.feed(feedPage("1", false))
			}
		}
		if h.request(keyOf(1)); len(h.sent) != 1 {
			t.Errorf("%d look-ups, want 1: the session is cached for longer", len(h.sent))
		}
	})
	t.Run("a look-up", func(t *testing.T) {
		h := newHost(t, fmt.Sprintf(cachedConfig, ""))
		h.follow()
		h.request(keyOf(1))
		h.now = h.now.Add(-back)
		h.answer(always("200", liveAnswer("u1")))
		h.now = h.now.Add(back)
		if h.request(keyOf(1)); len(h.sent) != 1 {
			t.Errorf("%d look-ups, want 1: the answer that came meanwhile is cached", len(h.sent))
		}
	})
	t.Run("a poll", func(t *testing.T) {
		h := newHost(t, fmt.Sprintf(cachedConfig, ""))
		h.follow()
		h.now = h.now.Add(-back)
		h.feed(feedPage("1", false)) // it was sent before
		if h.now = h.now.Add(back); h.w.order[0].feed.fresh(h.now) {
			t.Error("the cache is used by a poll of which it is not known how old it is")
		}
	})
}

// TestClockSetBackOfTheLeader: nor does a worker that does not lead use its cache for longer by
// what the leader shared before, and it does by what it shares afterwards.
func TestClockSetBackOfTheLeader(t *testing.T) {
	for name, tt := range map[string]struct{ before, after time.Duration }{
		"to before the poll":         {time.Millisecond, -time.Second},
		"to after it":                {2 * time.Second, time.Second},
		"of a worker that began now": {-time.Second, -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]string{}
			leader, other := newPeer(t, "a", &data), newPeer(t, "b", &data)
			leader.tick(start)
			leader.hear(start, feedPage("7", true))
			shared := func() []SharedData { return []SharedData{{Value: data["lead"]}, {Value: data["feed"]}} }
			other.Tick(shared(), start.Add(tt.before))
			for at := start.Add(tt.after); at.Before(start.Add(MaxFeedSilence)); at = at.Add(Housekeeping) {
				if other.Tick(shared(), at); other.feed.fresh(at) {
					t.Fatalf("used at %s by what was heard before", at.Sub(start))
				}
			}
			later := start.Add(MaxFeedSilence)
			leader.hear(later, feedPage("8", false))
			if other.Tick(shared(), later); !other.feed.fresh(later) {
				t.Error("not used by what was heard afterwards")
			}
		})
	}
}
