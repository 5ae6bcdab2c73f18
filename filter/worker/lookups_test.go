package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"cloakroom/filter"
	"cloakroom/session"
)

// TestOneLookUpForAll: requests for one session share a callout, and its result is used by
// those that come later, until it is too old.
func TestOneLookUpForAll(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	var streams []*Stream
	for range 10 {
		streams = append(streams, h.request(goodKey))
	}
	other := h.request(keyOf(1))
	h.answer(always("200", liveAnswer("7")))
	if got := h.count(streams, "continue"); got != 10 {
		t.Errorf("%d of 10 continue", got)
	}
	h.answer(users)
	h.want(other, "continue")
	if h.edits[other] != "u1" {
		t.Errorf("another session's user is %q", h.edits[other])
	}
	for _, after := range []time.Duration{0, MaxFeedSilence - 1} {
		h.now = start.Add(Housekeeping + after)
		if s := h.request(goodKey); h.became[s] != "continue" {
			t.Errorf("after %s it is not cached", after)
		}
	}
	h.now = start.Add(Housekeeping + MaxFeedSilence)
	if s := h.request(goodKey); h.became[s] != "" {
		t.Error("the cache is used without an answer from the feed")
	}
}

// TestFreshAndStale goes through what may be used when.
func TestFreshAndStale(t *testing.T) {
	config := `{"engine":{"service":{"cluster":"s","cache":{"ttl":"10s","negative_ttl":"1s","stale":"1m"}}},"on_unavailable":"stale"}`
	for _, tt := range []struct {
		key          string
		followed     bool
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
		{"over", true, 0, false, true}, // by its own end, which may have been moved
		{"strange", true, 0, false, false},
	} {
		h := newHost(t, config)
		key := map[string]string{"live": keyOf(1), "none": keyOf(2), "over": keyOf(3), "strange": keyOf(4)}[tt.key]
		v := h.w.order[0].stored
		answer := func(body string) *filter.LookupResult {
			return filter.ParseAnswer(filter.Answer{Status: "200", Body: body}, nil)
		}
		v.put(keyOf(1), answer(liveAnswer("7")), start)
		v.put(keyOf(2), answer(answerNone), start)
		v.put(keyOf(3), answer(strings.Replace(liveAnswer("7"), "2000000000", "1800000000", 1)), start)
		now := start.Add(tt.after)
		if tt.followed {
			v.service.feed.heard = now
		}
		s := &Stream{}
		route, _ := h.w.Route("", nil)
		s.filter.Request(filter.Headers{{":path", "/"}, {"cookie", "sessionid=" + key}}, route, &filter.Shared{}, now)
		fresh := false
		if e := v.fresh(key, s, now); e != nil {
			_, fresh = s.filter.Cached(key, e.Value.result, now)
		}
		if fresh != tt.fresh {
			t.Errorf("%+v: fresh %v", tt, fresh)
		}
		if got := v.stale(key, s, now) != nil; got != tt.stale {
			t.Errorf("%+v: stale %v", tt, got)
		}
	}
}

// TestOutageIsNotCached: no answer says nothing about the session; what was cached is used
// where the route wants that.
func TestOutageIsNotCached(t *testing.T) {
	for _, a := range []filter.Answer{{}, {Status: "503"}, {Status: "200", Body: "<html>"}, {Status: "404", Body: answerNone}} {
		h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1ns","stale":"1m"}}},"on_unavailable":"stale"}`)
		h.follow()
		h.want(h.request(goodKey), "")
		h.answer(always(a.Status, a.Body))
		if v := h.w.order[0].stored; v.sessions.Len()+v.absent.Len() != 0 {
			t.Errorf("%+v is cached", a)
		}
		h.cache(goodKey, "7")
		h.now = h.now.Add(time.Millisecond)
		s := h.request(goodKey)
		h.answer(always(a.Status, a.Body))
		h.want(s, "continue")
		if h.edits[s] != "7" {
			t.Errorf("%+v: admitted as %q", a, h.edits[s])
		}
		strange := h.request(keyOf(1))
		h.answer(always(a.Status, a.Body))
		h.want(strange, "deny 503")
		stale := uint64(0)
		h.w.Counts(func(counter filter.Outcome, n uint64) {
			if counter == filter.Stale {
				stale = n
			}
		})
		if stale != 1 {
			t.Errorf("%+v: %d counted as stale, want one", a, stale)
		}
	}
}

// TestAnswerOutrunByAnEvent does not cache what was asked before a session changed.
func TestAnswerOutrunByAnEvent(t *testing.T) {
	for name, event := range map[string]string{"the session": session.SessionEvent(goodKey), "some user": "u1", "all": "*"} {
		h := newHost(t, fmt.Sprintf(cachedConfig, ""))
		h.follow()
		one, two := h.request(goodKey), h.request(goodKey)
		h.feed(feedPage("2", false, event))
		h.answer(always("200", liveAnswer("7")))
		h.want(one, "continue")
		h.want(two, "continue")
		if h.w.order[0].stored.sessions.Len() != 0 {
			t.Errorf("%s: the answer is cached", name)
		}
		h.request(goodKey)
		h.feed(feedPage("3", false, session.SessionEvent("another")))
		h.answer(always("200", liveAnswer("7")))
		if h.w.order[0].stored.sessions.Len() != 1 {
			t.Errorf("%s: an answer that nothing outran is not cached", name)
		}
	}
}

// TestRandomKeys: keys that no session has remove no session from the cache.
func TestRandomKeys(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.cache(goodKey, "7")
	for i := range 3 * maxAbsent {
		s := h.request(keyOf(i))
		h.answer(always("200", answerNone))
		h.want(s, "deny 401")
		h.gone(s)
	}
	h.want(h.request(goodKey), "continue")
	if got := h.w.order[0].stored.absent.Len(); got != maxAbsent {
		t.Errorf("%d keys without a session are cached, want %d", got, maxAbsent)
	}
}

// TestCacheKeepsSessionsAlone: an answer may be a part of a batch's.
func TestCacheKeepsSessionsAlone(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.request(goodKey)
	batch := liveAnswer("7") + " and others"
	c := h.sent[0]
	h.do(h.w.CalloutDone(c, filter.Answer{Status: "200", Body: batch[:len(liveAnswer("7"))]}, h.now), nil)
	e := h.w.order[0].stored.sessions.Get(goodKey)
	if e == nil {
		t.Fatal("it is not cached")
	}
	user := e.Value.result.User()
	at, from := uintptr(unsafe.Pointer(unsafe.StringData(user))), uintptr(unsafe.Pointer(unsafe.StringData(batch)))
	if at >= from && at < from+uintptr(len(batch)) {
		t.Error("the session is kept with the answer that it was a part of")
	}
}

// TestOldKeyIsNotCached: where an old key leads is looked up each time.
func TestOldKeyIsNotCached(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.request(goodKey)
	h.answer(always("200", strings.Replace(liveAnswer("7"), `{"state"`, `{"key":"`+keyOf(9)+`","state"`, 1)))
	if h.w.order[0].stored.sessions.Len() != 0 {
		t.Error("it is cached")
	}
}

// TestTouchedOnce: what a response asks the store to write is not found due by the next
// request.
func TestTouchedOnce(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"expiry":{"save_every_request":true,"age":"999999h"}`))
	h.follow()
	h.cache(goodKey, "7")
	for range 3 {
		s := h.request(goodKey)
		h.respond(s)
		h.gone(s)
	}
	h.tick()
	if len(h.sent) != 1 || h.sent[0].Path != "/v1/touch" {
		t.Errorf("%d callouts, want one touch", len(h.sent))
	}
}

// TestManyLinesAtOnce: what the upstreams of a batch's streams are told lies in memory of its
// own for each of them.
func TestManyLinesAtOnce(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s"}},"identity":{"data_keys":["theme"]}}`)
	first := h.request(keyOf(0))
	var streams []*Stream
	for i := range maxBatch {
		streams = append(streams, h.request(keyOf(1+i)))
	}
	h.answer(users)
	h.want(first, "continue")
	c := h.sent[0]
	body := ""
	for i := range maxBatch {
		body += fmt.Sprintf("%d 200 {\"state\":\"live\",\"expires\":2000000000,\"data\":{\"_auth_user_id\":\"%d\",\"theme\":\"%s\"}}\n", i, i, strings.Repeat(string(rune('a'+i%26)), 1+i*37%900))
	}
	o := h.w.CalloutDone(c, filter.Answer{Status: "200", Body: body}, h.now)
	if len(o.Resumed) != maxBatch {
		t.Fatalf("%d are resumed, want %d", len(o.Resumed), maxBatch)
	}
	for _, step := range o.Resumed {
		i := 0
		for streams[i] != step.Stream {
			i++
		}
		got := fmt.Sprint(step.Action.Edits)
		if want := fmt.Sprintf("[{1 x-user-id %d} {1 x-session {\"theme\":\"%s\"}}]", i, strings.Repeat(string(rune('a'+i%26)), 1+i*37%900)); got != want {
			t.Errorf("stream %d: %s, want %s", i, got, want)
		}
	}
}

// TestMemoryOfAStreamThatIsGone has a stream end while its look-up waits to be sent, and its
// memory serve another request: the look-up is of the session that it was of.
func TestMemoryOfAStreamThatIsGone(t *testing.T) {
	for _, cache := range []string{`,"cache":{"ttl":"1m"}`, ""} {
		h := newHost(t, `{"engine":{"service":{"cluster":"s"`+cache+`}},"cookie":{"secure":false}}`)
		if cache != "" {
			h.follow()
		}
		h.request(keyOf(3)) // under way: what comes next waits
		route, err := h.w.Route("", nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &Stream{}
		ask := func(key string) {
			headers := filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"cookie", "sessionid=" + key}}
			h.seen[s] = headers
			h.do(h.w.Request(s, headers, route, h.now), s)
		}
		ask(keyOf(1))
		h.gone(s)
		ask(keyOf(2))
		for range 3 {
			if h.tick(); len(h.sent) > 0 {
				h.answer(users)
			}
		}
		if h.want(s, "continue"); h.edits[s] != "u2" {
			t.Errorf("the second request is %q's, want u2's", h.edits[s])
		}
		other := h.request(keyOf(1))
		for range 3 {
			if h.tick(); len(h.sent) > 0 {
				h.answer(users)
			}
		}
		if h.want(other, "continue"); h.edits[other] != "u1" {
			t.Errorf("a request with the first session is %q's, want u1's", h.edits[other])
		}
	}
}

// TestNobodyJoinsAnOutdatedLookUp: a request that comes after an event does not wait for a
// look-up that began before it.
func TestNobodyJoinsAnOutdatedLookUp(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	before := h.request(keyOf(1))
	h.feed(feedPage("2", false, session.SessionEvent(keyOf(1))))
	after := h.request(keyOf(1))
	h.tick()
	h.answer(always("200", liveAnswer("u1")))
	h.want(before, "continue")
	h.want(after, "")
	h.answer(always("200", answerNone))
	h.want(after, "deny 401")
	if held := h.w.Held(); held != (Held{}) {
		t.Errorf("holds %+v", held)
	}
}

// TestCoalescedStreams: a stream that shares a lookup counts as waiting, and is served from
// the cache during an outage, as the first is.
func TestCoalescedStreams(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1ns","stale":"1m"}}},"on_unavailable":"stale"}`)
	h.follow()
	h.cache(goodKey, "7")
	h.now = h.now.Add(time.Millisecond)
	streams := []*Stream{h.request(goodKey), h.request(goodKey), h.request(goodKey)}
	if held := h.w.Held(); held.Waiting != len(streams) || held.Flights != 1 {
		t.Errorf("%+v is held, want %d streams that wait for one lookup", held, len(streams))
	}
	h.answer(always("503", ""))
	if got := h.count(streams, "continue"); got != len(streams) {
		t.Errorf("%d of %d continue with the cached session", got, len(streams))
	}
}

// TestCoalescedKeyOutlivesTheHeaders: the key of a stream that shares a lookup is not that of
// its headers, whose memory the host uses again.
func TestCoalescedKeyOutlivesTheHeaders(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1m"}}},"accept_updates":true}`)
	h.follow()
	var streams []*Stream
	for range 2 {
		cookie := []byte("sessionid=" + goodKey)
		streams = append(streams, h.requestWith(filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", textOf(cookie)}}))
		for i := range cookie {
			cookie[i] = '!'
		}
	}
	h.answer(always("200", liveAnswer("7")))
	for _, s := range streams {
		h.respond(s, [2]string{"x-session-flush", "1"})
	}
	for len(h.sent) > 0 {
		h.answer(func(path, body string) (string, string) {
			if want := `{"key":"` + goodKey + `","reason":"upstream"}`; body != want {
				t.Errorf("%s is called with %s, want %s", path, body, want)
			}
			return "200", answerNone
		})
	}
}

// TestAnEndReplacesWhatIsCached: a session that a lookup no longer finds is not used during an
// outage, and one that a lookup finds is not absent any more.
func TestAnEndReplacesWhatIsCached(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1ns","stale":"1m"}}},"on_unavailable":"stale"}`)
	h.follow()
	h.cache(goodKey, "7")
	h.now = h.now.Add(time.Millisecond)
	h.request(goodKey)
	h.answer(always("200", answerNone))
	v := h.w.order[0].stored
	if v.sessions.Len() != 0 || v.absent.Len() != 1 {
		t.Errorf("%d sessions and %d absent keys are cached, want the key as absent alone", v.sessions.Len(), v.absent.Len())
	}
	h.now = h.now.Add(2 * time.Second)
	s := h.request(goodKey)
	h.answer(always("503", ""))
	h.want(s, "deny 503")
	h.cache(goodKey, "7")
	if v.sessions.Len() != 1 || v.absent.Len() != 0 {
		t.Errorf("%d sessions and %d absent keys are cached, want the session alone", v.sessions.Len(), v.absent.Len())
	}
}

// TestEventsInvalidateAbsentKeys: a key that had no session may have one after an event.
func TestEventsInvalidateAbsentKeys(t *testing.T) {
	for _, event := range []string{session.SessionEvent(goodKey), session.EventAll} {
		h := newHost(t, fmt.Sprintf(cachedConfig, ""))
		h.follow()
		h.request(goodKey)
		h.answer(always("200", answerNone))
		h.feed(feedPage("2", false, event))
		h.request(goodKey)
		if len(h.sent) != 1 {
			t.Errorf("after %s %d lookups are under way, want one", event, len(h.sent))
		}
	}
}

// TestTouchedIsCached: after a request has had a session's expiry moved, the next does not.
func TestTouchedIsCached(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1m"}}},"expiry":{"save_every_request":true,"age":"1h"}}`)
	h.follow()
	s := h.request(goodKey)
	h.answer(always("200", strings.Replace(liveAnswer("7"), "2000000000", fmt.Sprint(h.now.Add(10*time.Minute).Unix()), 1)))
	h.respond(s)
	h.gone(s)
	h.tick()
	if len(h.sent) != 1 || h.sent[0].Path != "/v1/touch" {
		t.Fatalf("sent %+v, want one /v1/touch", h.sent)
	}
	h.answer(always("200", `{"state":"live","expires":2000000000}`))
	s = h.request(goodKey)
	h.respond(s)
	h.tick()
	if len(h.sent) != 0 {
		t.Errorf("sent %+v, want nothing: the expiry was moved", h.sent[0])
	}
}
