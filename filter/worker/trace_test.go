package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/filter"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// traced sends a request with a session, an ID and a traceparent, whose memory is the host's again
// afterwards.
func (h *host) traced(key, id string) *Stream {
	h.t.Helper()
	idBytes, parent := []byte(id), []byte(traceparent)
	headers := filter.Headers{{":method", "POST"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + key},
		{"x-request-id", textOf(idBytes)}, {"traceparent", textOf(parent)}}
	s := h.requestWith(headers)
	for _, lent := range [][]byte{idBytes, parent} {
		for i := range lent {
			lent[i] = '!'
		}
	}
	return s
}

// TestTrace holds which calls have what identifies the client's request, by themselves and in a
// batch, also where the call is sent when the request's headers are gone.
func TestTrace(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"accept_updates":true,"expiry":{"cycle_every":"1h","save_every_request":true},"logout":{"path":"/logout"}`))
	h.follow()
	want := func(what string, c *Call, path, id string) {
		t.Helper()
		trace := api.Trace{}
		if id != "" {
			trace = api.Trace{RequestID: id, Parent: traceparent}
		}
		if c.Path != path || c.Trace != trace {
			t.Errorf("%s: %s with %q, want %s of %q", what, c.Path, c.Trace, path, id)
		}
	}
	s := h.traced(goodKey, "one")
	want("a look-up", h.sent[0], api.Lookup, "one")
	h.answer(always("200", liveAnswer("7")))
	h.respond(s, [2]string{"x-session-flush", "1"})
	want("an upstream's flush", h.sent[0], api.Flush, "one")
	h.answer(always("200", answerNone))

	s = h.traced(goodKey, "two")
	h.answer(always("200", liveAnswer("7")))
	h.respond(s, [2]string{"set-cookie", "sessionid=; Max-Age=0"})
	want("the end by Django", h.sent[0], api.Changed, "two")
	h.answer(always("200", answerNone))

	// While one is under way the others wait, and go together.
	h.traced(keyOf(1), "three")
	h.traced(keyOf(2), "four")
	h.traced(keyOf(3), strings.Repeat("x", api.MaxRequestID+1))
	h.traced(keyOf(3), "six") // shares the look-up
	h.answer(always("200", liveAnswer("7")))
	if len(h.sent) != 1 {
		t.Fatalf("%d calls", len(h.sent))
	}
	want("a batch", h.sent[0], api.Batch, "")
	lines := "/v1/lookup id=four parent=" + traceparent + ` {"key":"` + keyOf(2) + `"}` + "\n/v1/lookup parent=" + traceparent + ` {"key":"` + keyOf(3) + `"}` + "\n"
	if got := h.sent[0].Body; got != lines {
		t.Errorf("the batch is\n%swant\n%s", got, lines)
	}
}

// TestTraceOfDeferredCalls holds that requests that find one session due cause one call, and that
// calls which the audit log has no event of have no trace.
func TestTraceOfDeferredCalls(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"expiry":{"cycle_every":"1h","save_every_request":true}`))
	h.follow()
	old := fmt.Sprintf(`{"state":"live","expires":%d,"data":{"_auth_user_id":"7","_cloakroom_created":%d}}`, h.now.Add(100*time.Hour).Unix(), h.now.Add(-2*time.Hour).Unix())
	first, second := h.traced(goodKey, "one"), h.traced(goodKey, "two")
	h.answer(always("200", old))
	for _, s := range []*Stream{first, second} {
		h.respond(s)
	}
	h.now = h.now.Add(Housekeeping)
	h.tick()
	var bodies []string
	for _, c := range h.sent {
		for i := range c.pending {
			bodies = append(bodies, c.pending[i].callout.Path+" "+c.pending[i].callout.Trace.RequestID)
		}
	}
	if got, want := strings.Join(bodies, ", "), "/v1/cycle one, /v1/touch "; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
}
