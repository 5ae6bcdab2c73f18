package worker

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyWaitForOneKey has far more streams wait for one look-up than one callback may
// answer: all are answered, in callbacks that follow soon.
func TestManyWaitForOneKey(t *testing.T) {
	for name, tt := range map[string]struct{ answer, became string }{
		"none": {answerNone, "deny 401"},
		"live": {liveAnswer("7"), "continue"},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 600
			h := newHost(t, fmt.Sprintf(cachedConfig, ""))
			h.follow()
			var streams []*Stream
			for range n {
				streams = append(streams, h.request(goodKey))
			}
			if len(h.sent) != 1 {
				t.Fatalf("%d callouts, want one", len(h.sent))
			}
			h.answer(always("200", tt.answer))
			if got := h.count(streams, tt.became); got != maxFanOut || !h.soon {
				t.Errorf("the answer's callback goes on with %d streams, and asks for the next soon: %v", got, h.soon)
			}
			ticks := 0
			for ; h.soon && ticks < n; ticks++ {
				h.tickSoon()
			}
			if got := h.count(streams, tt.became); got != n || ticks != n/maxFanOut {
				t.Errorf("after %d ticks %d streams became %q, want all %d", ticks, got, tt.became, n)
			}
		})
	}
}

// TestFailuresDoNotNest has callouts fail at once, in the stack of the callbacks that sent
// them: what is nested without end would end the VM. However many wait, the callbacks between
// two ticks go on with a bounded number of streams, and send a bounded number of callouts.
func TestFailuresDoNotNest(t *testing.T) {
	const n = 2000
	for _, config := range []string{fmt.Sprintf(cachedConfig, ""), `{"engine":{"service":{"cluster":"s"}}}`} {
		h := newHost(t, config)
		var streams []*Stream
		for i := range n {
			streams = append(streams, h.request(keyOf(i)))
		}
		for ticks := 0; h.count(streams, "deny 503") < n; ticks++ {
			if ticks > n {
				t.Fatalf("%d of %d are answered after %d ticks", h.count(streams, "deny 503"), n, ticks)
			}
			before, nested := h.count(streams, "deny 503"), 0
			for ; len(h.sent) > 0; nested++ {
				h.fail("503")
			}
			if went := h.count(streams, "deny 503") - before; went > maxFanOut || nested > 2 {
				t.Fatalf("between two ticks %d callouts fail and %d streams go on", nested, went)
			}
			if !h.soon && h.count(streams, "deny 503") < n {
				t.Fatal("nothing asks for another tick")
			}
			h.tickSoon()
		}
	}
}

// TestManyStreamsOfOneSession ends a session with far more open streams than one callback may
// close.
func TestManyStreamsOfOneSession(t *testing.T) {
	const n = 2000
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	h.cache(goodKey, "7")
	h.cache(keyOf(1), "8")
	var streams []*Stream
	for range n {
		streams = append(streams, h.request(goodKey))
	}
	other := h.request(keyOf(1))
	h.feed(feedPage("2", false, "u7"))
	h.tick()
	h.answer(always("200", answerNone))
	ticks := 0
	for ; h.soon && ticks < n; ticks++ {
		h.tickSoon()
	}
	if got := h.count(streams, "closed"); got != n {
		t.Errorf("%d streams are closed after %d ticks, want %d", got, ticks, n)
	}
	h.want(other, "continue")
}

// TestGoneWhileItWaits has streams end in every state: nothing is kept of them, and what they
// waited for reaches nobody else.
func TestGoneWhileItWaits(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"accept_updates":true`))
	h.follow()
	var streams []*Stream
	for range 100 { // of which some are answered, and some queued
		streams = append(streams, h.request(goodKey))
	}
	for _, s := range streams[:10] {
		h.gone(s)
	}
	h.answer(always("200", liveAnswer("7")))
	for _, s := range streams[10:] {
		if h.became[s] == "" {
			h.gone(s)
			h.became[s] = "gone"
		}
	}
	updating := h.request(goodKey)
	h.respond(updating, [2]string{"x-session-set", `{"a":1}`})
	h.gone(updating)
	again := &Stream{} // in other memory
	*again = Stream{serial: updating.serial}
	h.answer(always("200", liveAnswer("7")))
	for h.soon {
		h.tickSoon()
	}
	for _, s := range streams[10:] {
		if h.became[s] != "gone" {
			h.want(s, "continue")
			h.gone(s)
		}
	}
	if w := h.w; w.waiting != 0 || w.waitBytes != 0 || w.backlog.len() != 0 || len(w.order[0].stored.flights) != 0 || len(w.order[0].stored.watches.byHash) != 0 {
		t.Errorf("kept: %d waiting, %d bytes, %d in the backlog, %d look-ups, %d watched", w.waiting, w.waitBytes, w.backlog.len(), len(w.order[0].stored.flights), len(w.order[0].stored.watches.byHash))
	}
}

// TestRefusedByTheHost: a callout that the host refuses is an outage to all that wait for it:
// to the stream at hand at once, to the others in a later callback.
func TestRefusedByTheHost(t *testing.T) {
	for _, config := range []string{fmt.Sprintf(cachedConfig, ""), `{"engine":{"service":{"cluster":"s"}}}`} {
		h := newHost(t, config)
		var streams []*Stream
		for i := range 40 {
			streams = append(streams, h.request(keyOf(i)))
		}
		h.now = h.now.Add(overlapAfter) // the callout under way takes long: the next is sent beside it
		h.refuse = func(*Call) bool { return true }
		last := h.request(keyOf(40))
		h.refuse = nil
		if got := h.count(streams, "deny 503"); got != 0 || h.became[last] == "continue" {
			t.Errorf("in the callback of another stream %d are refused", got)
		}
		for h.soon {
			h.tickSoon()
		}
		if got := h.count(streams, "deny 503"); got != maxBatch {
			t.Errorf("%d are refused, want the %d of one batch", got, maxBatch)
		}
		for len(h.sent) > 0 {
			h.answer(users)
		}
		for i, s := range append(streams, last) {
			if h.became[s] == "continue" && h.edits[s] != "u"+strings.TrimLeft(keyOf(i), "0") {
				t.Errorf("stream %d is taken for %q", i, h.edits[s])
			}
		}
		one := newHost(t, config)
		one.refuse = func(*Call) bool { return true }
		one.want(one.request(goodKey), "deny 503")
	}
}

// TestWaitingIsBounded: beyond a number of streams, and of bytes, the service counts as not
// answering; those that wait are served all the same.
func TestWaitingIsBounded(t *testing.T) {
	for _, config := range []string{fmt.Sprintf(cachedConfig, ""), `{"engine":{"service":{"cluster":"s"}}}`} {
		h := newHost(t, config)
		var streams []*Stream
		for i := range maxWaiting + 100 {
			streams = append(streams, h.request(keyOf(i)))
		}
		if got := h.count(streams, "deny 503"); got != 100 {
			t.Errorf("%d are refused, want 100", got)
		}
		if got := h.detail[streams[maxWaiting]]; got != "cloakroom_overloaded" {
			t.Errorf("the details are %q, want cloakroom_overloaded", got)
		}
		for len(h.sent) > 0 || h.soon {
			if len(h.sent) == 0 {
				h.tickSoon()
				continue
			}
			h.answer(users)
		}
		for i, s := range streams[:maxWaiting] {
			if h.became[s] != "continue" || h.edits[s] != "u"+strings.TrimLeft(keyOf(i), "0") {
				t.Fatalf("stream %d became %q as %q", i, h.became[s], h.edits[s])
			}
		}
		if h.w.waiting != 0 || h.w.waitBytes != 0 {
			t.Errorf("%d streams and %d bytes are counted as waiting", h.w.waiting, h.w.waitBytes)
		}
	}
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}},"accept_updates":true}`)
	var streams []*Stream
	for i := range 400 {
		streams = append(streams, h.request(keyOf(i)))
		h.answer(users)
	}
	for _, s := range streams {
		h.want(s, "continue")
		h.respond(s, [2]string{"x-session-set", `{"a":"` + strings.Repeat("x", 60_000) + `"}`})
	}
	refused := h.count(streams, "deny 503")
	if want := 400 - maxWaitingBytes/60_000; refused < want-2 || refused > want+2 {
		t.Errorf("%d of 400 large changes are refused, want about %d", refused, want)
	}
}

// TestQueueIsBounded: notifications, and look-ups of streams that went away, do not fill the
// memory while the service does not answer.
func TestQueueIsBounded(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}}}`)
	for i := range 10 * maxQueued {
		h.gone(h.request(keyOf(i)))
	}
	for _, b := range h.w.batchers {
		if len(b.queue) > maxQueued {
			t.Errorf("%d calls are queued, want %d at most", len(b.queue), maxQueued)
		}
	}
	calls := 0
	for len(h.sent) > 0 {
		calls += strings.Count(h.sent[0].Body, "/v1/lookup") + 1
		h.answer(users)
	}
	if calls > 2*maxBatch {
		t.Errorf("%d look-ups are made that are of use to nobody", calls)
	}
}
