package worker

import (
	"fmt"
	"slices"
	"testing"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
)

// TestCallsAreUsedAgain: the memory of a callout that is done serves the next, is bounded, and
// holds nothing of what the callout was about.
func TestCallsAreUsedAgain(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.request(keyOf(1))
	h.request(keyOf(2))
	h.request(keyOf(3))
	h.answer(users) // alone; the others follow in a batch
	h.answer(users)
	h.feed(feedPage("2", false))
	if n := len(h.w.spare); n != 2 {
		t.Errorf("the memory of %d calls is kept, want 2: of the look-ups, and of a poll", n)
	}
	for _, c := range h.w.spare {
		if c.feed != nil || c.batcher != nil || c.Path != "" || slices.ContainsFunc(c.pending[:cap(c.pending)], func(p pendingCall) bool { return p != pendingCall{} }) {
			t.Errorf("a call that is done holds %+v", c.pending[:cap(c.pending)])
		}
	}
	if slices.ContainsFunc(h.w.answers[:cap(h.w.answers)], func(a filter.Answer) bool { return a != filter.Answer{} }) || cap(h.w.answers) < 2 {
		t.Errorf("of the answers %+v is kept", h.w.answers[:cap(h.w.answers)])
	}
	for _, b := range h.w.batching {
		if slices.ContainsFunc(b.queue[:cap(b.queue)], func(p pendingCall) bool { return p != pendingCall{} }) {
			t.Error("the queue holds calls that were sent")
		}
	}
	for range 2 * maxSpare {
		h.w.recycle(&Call{})
	}
	if h.w.recycle(&Call{body: make([]byte, 65<<10)}); len(h.w.spare) != maxSpare {
		t.Errorf("the memory of %d calls is kept, want %d", len(h.w.spare), maxSpare)
	}
	h.w.spare = nil
	if h.w.recycle(&Call{body: make([]byte, 65<<10)}); len(h.w.spare) != 0 {
		t.Error("a body of 65 KiB is kept")
	}
}

// TestBatchOfNothing: of streams that are gone nothing is sent, and no memory is lost.
func TestBatchOfNothing(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}}}`)
	first, second := h.request(keyOf(1)), h.request(keyOf(2))
	h.gone(second)
	h.answer(users)
	h.want(first, "continue")
	if len(h.sent) != 0 || len(h.w.spare) != 2 {
		t.Errorf("%d callouts are sent, and the memory of %d is kept; want none, and that of 2", len(h.sent), len(h.w.spare))
	}
}

// TestOutputIsOver with the next call: nothing of it is done again, and no stream is kept.
func TestOutputIsOver(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	for range 3 {
		h.request(keyOf(1))
	}
	h.answer(always("200", liveAnswer("u1")))
	h.feed(feedPage("2", true))
	h.tick()
	h.answer(always("200", answerNone))
	if o := &h.w.out; cap(o.Resumed) == 0 || cap(o.Closed) == 0 {
		t.Fatal("no stream was resumed, or none closed")
	}
	o := h.w.Request(&Stream{}, filter.Headers{{":path", "/"}}, nil, h.now)
	if !o.Decided || o.More {
		t.Errorf("decided: %v, more: %v", o.Decided, o.More)
	}
	h.now = h.now.Add(Housekeeping)
	o = h.w.Tick([]SharedData{{}, {}}, h.now)
	for range 2 {
		o = h.w.Tick(nil, h.now)
	}
	if o.Decided || o.More {
		t.Errorf("decided: %v, more: %v, want neither of a second tick", o.Decided, o.More)
	}
	for _, s := range o.Resumed[:cap(o.Resumed)] {
		if s.Stream != nil {
			t.Error("a stream that was resumed is kept")
		}
	}
	for _, s := range o.Closed[:cap(o.Closed)] {
		if s != nil {
			t.Error("a stream that was closed is kept")
		}
	}
}

// TestDataHeadersLines: the memory of the data headers of one request serves the next.
func TestDataHeadersLines(t *testing.T) {
	request := worked(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}},"identity":{"data_keys":["*"]}}`)
	if allocated := testing.AllocsPerRun(1000, request); allocated != 0 {
		t.Errorf("%v allocations, want none", allocated)
	}
}

// TestHeld counts what is held while something is.
func TestHeld(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	h.cache(keyOf(1), "u1")
	h.request(keyOf(1))
	h.request(keyOf(1))
	h.request(keyOf(2)) // is looked up
	h.request(keyOf(3)) // waits for the batch
	h.feed(feedPage("2", true))
	want := Held{Waiting: 2, WaitingBytes: h.w.waitBytes, Flights: 2, Watches: 1, Watched: 2, Due: 1, Queued: 1, UnderWay: 1}
	if got := h.w.Held(); got != want || got.WaitingBytes == 0 {
		t.Errorf("holds %+v, want %+v", got, want)
	}
}

// TestCallHeaders: the headers follow from the call, and what is not known is left out.
func TestCallHeaders(t *testing.T) {
	to := &config.Destination{Authority: "sessions"}
	for _, tt := range []struct {
		path string
		to   *config.Destination
		want string
	}{
		{api.Batch, to, "content-type: " + api.BatchType},
		{api.Lookup, to, "content-type: application/json"},
		{api.Lookup, &config.Destination{Authorization: "Bearer t"}, "authorization: Bearer t"},
	} {
		var got []string
		for _, h := range (&Call{Callout: filter.Callout{Path: tt.path, To: tt.to}}).Headers() {
			got = append(got, h[0]+": "+h[1])
			if h[1] == "" && h[0] != ":authority" {
				t.Errorf("%s is empty", h[0])
			}
		}
		if !slices.Contains(got, tt.want) || !slices.Contains(got, ":path: "+tt.path) {
			t.Errorf("the headers are %q, want %q among them", got, tt.want)
		}
	}
}

// TestLookupsOfEngines: signed cookies and stored sessions are looked up for different things.
func TestLookupsOfEngines(t *testing.T) {
	c, err := config.Parse(`{"engine":{"service":{"cluster":"s","cache":{"ttl":"1m"}}},"routes":{"signed":{"engine":{"signed_cookies":{"secret_key":"k","revocable":true}}}}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := New(c, Options{})
	if v := w.order[0]; w.lookupsOf(c.Named("signed")) != v.signed || w.lookupsOf(c.Named("")) != v.stored || w.lookupsOf(nil) != nil {
		t.Error("the look-ups of a route are not those of its engine")
	}
}
