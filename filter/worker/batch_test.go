package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
)

// TestBatches holds what is sent when.
func TestBatches(t *testing.T) {
	type event struct {
		after time.Duration
		do    string // the path that is sent, "returned" or "tick"; a path in brackets is deferrable
		sent  string
	}
	for _, tt := range []struct {
		name   string
		events []event
	}{
		{"the first is sent at once", []event{{0, "a", "a"}}},
		{"others wait, and are sent together", []event{{0, "a", "a"}, {0, "b", ""}, {0, "c", ""}, {0, "returned", "b c"}, {0, "returned", ""}, {0, "d", "d"}}},
		{"a slow one is overlapped", []event{{0, "a", "a"}, {overlapAfter - 1, "b", ""}, {1, "c", "b c"}, {1, "d", ""}, {0, "returned", ""}, {0, "returned", "d"}}},
		{"a slow one is overlapped by a tick", []event{{0, "a", "a"}, {1, "b", ""}, {overlapAfter, "tick", "b"}}},
		{"what is deferrable waits for a tick", []event{{0, "(a)", ""}, {0, "(b)", ""}, {0, "tick", "a b"}, {0, "tick", ""}}},
		{"the same waits once", []event{{0, "(a)", ""}, {0, "(b)", ""}, {0, "(a)", ""}, {0, "tick", "a b"}, {0, "(a)", ""}, {overlapAfter, "tick", "a"}}},
		{"but what is waited for is never the same", []event{{0, "a", "a"}, {0, "b", ""}, {0, "b", ""}, {0, "returned", "b b"}}},
		{"or for company", []event{{0, "(a)", ""}, {0, "b", "a b"}}},
		{"and is not sent by itself before", []event{{0, "a", "a"}, {0, "(b)", ""}, {0, "returned", ""}, {0, "tick", "b"}}},
		{"after a failure the next tick sends", []event{{0, "a", "a"}, {0, "b", ""}, {0, "failed", ""}, {0, "tick", "b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, fmt.Sprintf(cachedConfig, ""))
			to := &config.Destination{Cluster: "s"}
			var underWay []*Call
			for i, e := range tt.events {
				h.now = h.now.Add(e.after)
				var o *Output
				switch path, deferrable := strings.CutPrefix(strings.TrimSuffix(e.do, ")"), "("); path {
				case "returned", "failed":
					status := map[string]string{"returned": "200", "failed": "503"}[path]
					o = h.w.CalloutDone(underWay[0], filter.Answer{Status: status, Body: ""}, h.now)
					underWay = underWay[1:]
				case "tick":
					h.w.swept = h.now // no housekeeping besides
					o = h.w.Tick(nil, h.now)
				default:
					h.w.begin(nil, true, h.now)
					h.w.send(pendingCall{callout: filter.Callout{To: to, Path: path, Deferrable: deferrable}})
					o = h.w.end()
				}
				var got []string
				for _, c := range o.Calls {
					for _, p := range c.pending {
						got = append(got, p.callout.Path)
					}
					underWay = append(underWay, c)
				}
				if strings.Join(got, " ") != e.sent {
					t.Fatalf("event %d, %s: sent %q, want %q", i, e.do, got, e.sent)
				}
			}
		})
	}
}

// TestBatchesAreBounded: nothing is lost between them.
func TestBatchesAreBounded(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}}}`)
	var streams []*Stream
	for i := range 2*maxBatch + 2 {
		streams = append(streams, h.request(keyOf(i)))
	}
	for _, want := range []int{1, maxBatch, maxBatch, 1} {
		if got := len(h.sent[0].pending); len(h.sent) != 1 || got != want {
			t.Fatalf("%d callouts, the first with %d calls, want one with %d", len(h.sent), got, want)
		}
		h.answer(users)
	}
	for i, s := range streams {
		if h.became[s] != "continue" || h.edits[s] != "u"+strings.TrimLeft(keyOf(i), "0") {
			t.Errorf("stream %d became %q as %q", i, h.became[s], h.edits[s])
		}
	}
	if len(h.sent) != 0 {
		t.Errorf("%d callouts too many", len(h.sent))
	}
}

// TestBatchLines: nothing in a callout can be taken for another one.
func TestBatchLines(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	to := &config.Destination{Cluster: "s"}
	h.w.begin(nil, true, h.now)
	for _, body := range []string{"{}", "{}", "{}\n/v1/flush {}"} {
		h.w.send(pendingCall{callout: filter.Callout{To: to, Path: "/v1/update", Body: body}})
	}
	o := h.w.end()
	if len(o.Calls) != 2 || o.Calls[1].Body != "{}\n/v1/flush {}" || o.Calls[1].Path != "/v1/update" {
		t.Errorf("sent %+v, want the one of two lines alone", o.Calls)
	}
}

// TestTooLargeForABatch: what has no room in a batch's answer is sent alone.
func TestTooLargeForABatch(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	first, one, two := h.request(keyOf(1)), h.request(keyOf(2)), h.request(keyOf(3))
	h.answer(users)
	h.answer(func(path, body string) (string, string) {
		if strings.Contains(body, keyOf(2)) {
			return tooLarge, "{}"
		}
		return users(path, body)
	})
	h.want(first, "continue")
	h.want(two, "continue")
	h.want(one, "")
	if len(h.sent) != 1 || h.sent[0].Path != "/v1/lookup" {
		t.Fatalf("sent %+v, want one look-up", h.sent)
	}
	h.answer(users)
	h.want(one, "continue")
	if h.edits[one] != "u2" {
		t.Errorf("it is %q", h.edits[one])
	}
}

// TestSplit holds that answers whose number or order is in doubt are nobody's.
func TestSplit(t *testing.T) {
	type Answer = filter.Answer
	none := []Answer{{Status: filter.Unreadable}, {Status: filter.Unreadable}}
	for _, tt := range []struct {
		name string
		a    Answer
		want []Answer
	}{
		{"two", Answer{Status: "200", Body: "0 200 {\"a\":1}\n1 404 x y\n"}, []Answer{{Status: "200", Body: `{"a":1}`}, {Status: "404", Body: "x y"}}},
		{"none", Answer{}, []Answer{{}, {}}},
		{"another status", Answer{Status: "503", Body: "0 200 {}\n"}, []Answer{{Status: "503", Body: "0 200 {}\n"}, {Status: "503", Body: "0 200 {}\n"}}},
		{"too large as a whole", Answer{Status: "413"}, []Answer{{}, {}}},
		{"one too few", Answer{Status: "200", Body: "0 200 {}\n"}, none},
		{"one too many", Answer{Status: "200", Body: "0 200 {}\n1 200 {}\n2 200 {}\n"}, none},
		{"another order", Answer{Status: "200", Body: "1 200 {}\n0 200 {}\n"}, none},
		{"one twice", Answer{Status: "200", Body: "0 200 {}\n0 200 {}\n"}, none},
		{"one left out", Answer{Status: "200", Body: "0 200 {}\n2 200 {}\n"}, none},
		{"cut short", Answer{Status: "200", Body: "0 200 {}\n1 200 {}"}, none},
		{"no status", Answer{Status: "200", Body: "0 200 {}\n1 {}\n"}, none},
		{"a page", Answer{Status: "200", Body: "<!doctype html>\n<title>Welcome</title>\n"}, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := split(nil, tt.a, 2); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got := split(nil, Answer{Status: "200", Body: "{}"}, 1); fmt.Sprint(got) != "[{200 {}}]" {
		t.Errorf("one alone: %v", got)
	}
}

// FuzzSplit holds that an answer of a batch gives each call one answer, its own or none.
func FuzzSplit(f *testing.F) {
	f.Add("0 200 {}\n1 200 {}\n", 2)
	f.Add("0 200 \n\n1 200\n", 3)
	f.Fuzz(func(t *testing.T, body string, n int) {
		if n < 2 || n > maxBatch {
			return
		}
		got := split(nil, filter.Answer{Status: "200", Body: body}, n)
		if len(got) != n {
			t.Fatalf("%d answers to %d calls", len(got), n)
		}
		whole := ""
		for i, a := range got {
			if a.Status == filter.Unreadable {
				continue
			}
			whole += fmt.Sprint(i, " ", a.Status, " ", a.Body, "\n")
		}
		if whole != "" && whole != body {
			t.Fatalf("%q is read as %q", body, whole)
		}
	})
}

// TestQueueIsSentThoughTheServiceHangs: what waits is sent at the pace of overlapAfter, not a
// batch with each housekeeping, so that each request has its answer, or none, in time.
func TestQueueIsSentThoughTheServiceHangs(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}},"cookie":{"secure":false}}`)
	const requests = 20 * maxBatch
	for n := range requests {
		h.request(keyOf(n))
	}
	h.tick()
	for end := h.now.Add(20 * (overlapAfter + time.Millisecond)); h.soon && h.now.Before(end); {
		h.tickSoon()
	}
	sent := 0
	for _, c := range h.sent {
		sent += len(c.pending)
	}
	if sent != requests {
		t.Errorf("%d of %d look-ups are sent, want all", sent, requests)
	}
	if h.soon {
		t.Error("ticks are wanted soon with nothing left to send")
	}
}

// TestBatchHasTheLongestTimeout: a call's own timeout holds for a batch with others, too.
func TestBatchHasTheLongestTimeout(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	to := &config.Destination{Cluster: "s"}
	h.w.begin(nil, true, h.now)
	for _, timeout := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 3 * time.Second} {
		h.w.send(pendingCall{callout: filter.Callout{To: to, Path: "/v1/flush", Body: "{}", Timeout: timeout}})
	}
	first := h.w.end().Calls[0]
	o := h.w.CalloutDone(first, filter.Answer{Status: "200"}, h.now)
	if len(o.Calls) != 1 || len(o.Calls[0].pending) != 3 || o.Calls[0].Timeout != 5*time.Second {
		t.Errorf("sent %+v, want three calls with the longest timeout of 5s", o.Calls)
	}
}

// TestLostNotifications: what the service did not take is logged: one whose answer is no
// success, and one for which the queue had no room.
func TestLostNotifications(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	to := &config.Destination{Cluster: "s"}
	changed := pendingCall{callout: filter.Callout{To: to, Path: "/v1/changed", Body: "{}"}}
	h.w.begin(nil, true, h.now)
	h.w.send(changed)
	h.do(h.w.end(), nil)
	h.answer(func(string, string) (string, string) { return "503", "" })
	if want := []string{"the session service did not take a /v1/changed"}; !slices.Equal(h.log, want) {
		t.Errorf("the log is %q, want %q", h.log, want)
	}

	h.now, h.log = h.now.Add(time.Minute), nil
	h.w.begin(nil, true, h.now)
	b := h.w.batcher(to)
	b.queue, b.underWay, b.sent = slices.Repeat([]pendingCall{changed}, maxQueued), 1, h.now
	h.w.send(changed)
	if o := h.w.end(); len(o.Warnings) != 1 || !strings.Contains(o.Warnings[0], "did not take a /v1/changed") {
		t.Errorf("the warnings are %q, want one that a /v1/changed was not taken", o.Warnings)
	}
	if len(b.queue) > maxQueued {
		t.Errorf("%d calls are queued, over %d", len(b.queue), maxQueued)
	}
}

// TestCallouts counts callouts: a batch is one.
func TestCallouts(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}}}`)
	for i := range 4 {
		h.request(keyOf(i))
	}
	h.answer(users)
	h.answer(users)
	counted := map[filter.Outcome]uint64{}
	h.w.Counts(func(counter filter.Outcome, n uint64) { counted[counter] += n })
	if counted[CalloutsCounter] != 2 || counted[filter.Admitted] != 4 {
		t.Errorf("counted %d callouts and %d admitted, want 2 and 4", counted[CalloutsCounter], counted[filter.Admitted])
	}
}
