package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/session"
	"cloakroom/session/django"
)

// counted returns what was counted since the last call.
func (h *host) counted() map[filter.Outcome]uint64 {
	counts := map[filter.Outcome]uint64{}
	h.w.Counts(func(counter filter.Outcome, n uint64) { counts[counter] += n })
	return counts
}

// TestResponseIsNotStale: a response that waits for a change to be stored is refused where the
// service fails, whatever is cached of the session by which its request was admitted.
func TestResponseIsNotStale(t *testing.T) {
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1ns","stale":"1m"}}},"on_unavailable":"stale","accept_updates":true}`)
	h.follow()
	s := h.request(goodKey)
	h.answer(always("200", liveAnswer("7")))
	h.respond(s, [2]string{"x-session-set", `{"a":1}`})
	if key := s.coalesceKey; key != "" {
		t.Errorf("the change waits for the look-up of %q", key)
	}
	h.answer(always("503", ""))
	h.want(s, "deny 503")
}

// TestDirectionOfResumed: a stream that waited goes on where it waited.
func TestDirectionOfResumed(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"accept_updates":true`))
	h.follow()
	route, err := h.w.Route("", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Stream{}
	resumed := func(direction Direction, answer string) {
		t.Helper()
		c := h.sent[0]
		h.sent = nil
		o := h.w.CalloutDone(c, filter.Answer{Status: "200", Body: answer}, h.now)
		if len(o.Resumed) != 1 || o.Resumed[0].Stream != s || o.Resumed[0].Direction != direction {
			t.Errorf("resumed are %+v, want one, of the direction %d", o.Resumed, direction)
		}
		h.do(o, nil)
	}
	for i := range 2 { // its memory is used again
		h.seen[s] = filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + keyOf(i)}}
		h.became[s] = ""
		h.do(h.w.Request(s, h.seen[s], route, h.now), s)
		resumed(Request, liveAnswer("7"))
		h.respond(s, [2]string{"x-session-set", `{"a":1}`})
		resumed(Response, liveAnswer("7"))
		h.gone(s)
	}
}

// TestWaitsAgain has two signed cookies of one session, of which one is from before a change of
// the password: the answer that they share is not of the other, which waits for one of its own.
func TestWaitsAgain(t *testing.T) {
	codec, err := django.NewCookieCodec(1<<16, "secret")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1m"}},"signed_cookies":{"secret_key":"secret","revocable":true}}}`)
	h.follow()
	handle := session.Signed{ID: keyOf(1), Since: h.now.Unix(), User: "7"}.String()
	var streams []*Stream
	for _, hash := range []string{"before", "after"} {
		cookie, err := codec.Encode(fmt.Appendf(nil, `{"_auth_user_id":"7","_auth_user_hash":%q,%q:%q}`, hash, session.SignedKey, handle), h.now)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, h.request(cookie))
	}
	if len(h.sent) != 1 {
		t.Fatalf("%d callouts, want one", len(h.sent))
	}
	for _, hash := range []string{"before", "after"} {
		if len(h.sent) != 1 || !strings.Contains(h.sent[0].Body, hash) {
			t.Fatalf("sent %+v, want a callout about the hash %q", h.sent, hash)
		}
		h.answer(always("200", fmt.Sprintf(`{"state":"live","expires":2000000000,"data":{%q:%q,"_auth_user_id":"7","_auth_user_hash":%q}}`, session.SignedKey, handle, hash)))
	}
	for _, s := range streams {
		h.want(s, "continue")
	}
}

// TestRequestsAreCompleted: Request returns no action that needs the headers, which it has; what
// needs them later is asked for, counted, and watched.
func TestRequestsAreCompleted(t *testing.T) {
	headers := filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + keyOf(1)}}
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"forward_cookie":false`))
	h.follow()
	route, err := h.w.Route("", nil)
	if err != nil {
		t.Fatal(err)
	}
	waits := &Stream{}
	h.seen[waits] = headers
	h.do(h.w.Request(waits, headers, route, h.now), waits)
	h.answer(always("200", liveAnswer("u1")))
	h.want(waits, "continue")
	if held := h.w.Held(); held.Watched != 1 {
		t.Errorf("%d streams are watched, want the one", held.Watched)
	}
	h.counted()
	o := h.w.Request(&Stream{}, headers, route, h.now)
	if !o.Decided || o.Action.Verdict != filter.Continue {
		t.Errorf("decided: %v, %+v", o.Decided, o.Action)
	}
	denied := h.request(keyOf(2))
	h.answer(always("503", ""))
	h.want(denied, "deny 503")
	if counts := h.counted(); counts[filter.Admitted] != 1 || counts[filter.Unavailable] != 1 {
		t.Errorf("counted %v", counts)
	}
	if len(h.w.out.Warnings) != 1 || !h.w.out.More || !strings.Contains(h.w.out.Warnings[0], "no usable answer") {
		t.Errorf("the warnings are %q, and more: %v", h.w.out.Warnings, h.w.out.More)
	}
	if counts := h.counted(); len(counts) != 0 {
		t.Errorf("counted twice: %v", counts)
	}
}

// TestTooManyWait counts what the worker refuses by itself.
func TestTooManyWait(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, ""))
	h.follow()
	h.w.waiting = maxWaiting
	h.counted()
	s := h.request(keyOf(1))
	h.want(s, "deny 503")
	if counts := h.counted(); counts[filter.Overloaded] != 1 || counts[filter.Unavailable] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// TestAnswersDrainTheBacklog: what an earlier callback had no room for goes on with the next
// answer of the service, not with ticks alone; closed streams are counted.
func TestAnswersDrainTheBacklog(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true`))
	h.follow()
	var streams []*Stream
	for range maxFanOut + 10 {
		streams = append(streams, h.request(goodKey))
	}
	h.answer(always("200", liveAnswer("7")))
	h.feed(feedPage("2", false)) // an answer
	if got := h.count(streams, "continue"); got != len(streams) {
		t.Errorf("%d of %d streams go on", got, len(streams))
	}
	h.counted()
	h.feed(feedPage("3", true))
	h.tick()
	h.answer(always("200", answerNone))
	for h.soon {
		h.tickSoon()
	}
	if counts := h.counted(); counts[filter.Ended] != uint64(len(streams)) {
		t.Errorf("counted %d ended streams, want %d", counts[filter.Ended], len(streams))
	}
}

// TestRedirectedByEnvoy: what is cached of a session whose response never came is invalidated, and
// the service is told.
func TestRedirectedByEnvoy(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"accept_updates":true`))
	h.follow()
	s := h.request(goodKey)
	h.answer(always("200", liveAnswer("7")))
	h.now = h.now.Add(2 * time.Second)
	o := h.w.Redirected(s, "other", h.now)
	if len(o.Warnings) != 1 || h.w.order[0].stored.sessions.Get(goodKey) != nil {
		t.Errorf("the warnings are %q, cached: %v", o.Warnings, h.w.order[0].stored.sessions.Get(goodKey) != nil)
	}
	h.do(o, s)
	h.tick()
	if len(h.sent) != 1 || h.sent[0].Path != "/v1/changed" {
		t.Errorf("sent %+v, want one /v1/changed", h.sent)
	}
}

// TestLogoutInvalidates the cache of the worker that it passes, at once.
func TestLogoutInvalidates(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"accept_updates":true,"expiry":{"save_every_request":true,"age":"1h"}`))
	h.follow()
	s := h.request(goodKey)
	h.answer(always("200", strings.Replace(liveAnswer("7"), "2000000000", fmt.Sprint(h.now.Add(10*time.Minute).Unix()), 1)))
	h.counted()
	h.respond(s)
	if counts := h.counted(); counts[filter.Refreshed] != 1 {
		t.Errorf("counted %v", counts)
	}
	h.respond(s, [2]string{"x-session-set", `{"a":1}`})
	h.tick()
	for len(h.sent) > 0 {
		h.answer(always("200", liveAnswer("7")))
	}
	if h.w.order[0].stored.sessions.Get(goodKey) != nil {
		t.Error("a session is cached that was changed")
	}
}
