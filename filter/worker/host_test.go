package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
)

const (
	goodKey    = "0123456789abcdefghijklmnopqrstuv"
	answerNone = `{"state":"none"}`
)

var start = time.Unix(1_900_000_000, 0)

// keyOf returns the nth session key.
func keyOf(n int) string { return fmt.Sprintf("%032d", n) }

// liveAnswer is the service's answer about a session of a user.
func liveAnswer(user string) string {
	return `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"` + user + `","theme":"dark"}}`
}

// cachedConfig is a configuration with a cache.
const cachedConfig = `{"engine":{"service":{"cluster":"s","timeout":"400ms","cache":{"ttl":"1m"}}},"cookie":{"secure":false}%s}`

// host stands in for Envoy: it carries outputs out, and holds callouts until a test answers
// them. It sees that no callback does more than it may.
type host struct {
	t      *testing.T
	w      *Worker
	now    time.Time
	shared map[string]string
	sent   []*Call
	polls  []*Call            // of the feed
	became map[*Stream]string // what became of each stream
	detail map[*Stream]string // the details of its refusal
	edits  map[*Stream]string // what the upstream was told
	tokens map[*Stream]string // and by which token
	refuse func(c *Call) bool // nil: nothing is refused
	soon   bool               // the next tick is to come in a millisecond
	log    []string           // warnings
	seen   map[*Stream]filter.Headers
}

func newHost(t *testing.T, text string) *host {
	t.Helper()
	c, err := config.Parse(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &host{
		t: t, w: New(c, Options{ID: "a"}), now: start, shared: map[string]string{},
		became: map[*Stream]string{}, detail: map[*Stream]string{}, edits: map[*Stream]string{}, tokens: map[*Stream]string{}, seen: map[*Stream]filter.Headers{},
	}
}

// do carries an output out; s is the stream of the callback at hand.
func (h *host) do(o *Output, s *Stream) {
	h.t.Helper()
	if n := len(o.Resumed) + len(o.Closed); n > maxFanOut {
		h.t.Errorf("one callback goes on with %d streams, want %d at most", n, maxFanOut)
	}
	h.soon = o.Soon
	if s != nil && o.Decided {
		h.become(s, o.Action)
	}
	for _, step := range o.Resumed {
		h.become(step.Stream, step.Action)
	}
	for _, s := range o.Closed {
		h.become(s, filter.Action{})
		h.became[s] = "closed"
	}
	h.log = append(h.log, o.Warnings...)
	var leases []Write
	for _, write := range o.Writes {
		h.shared[write.Key] = write.Value
		if write.Lease {
			leases = append(leases, write)
		}
	}
	for _, c := range slices.Clone(o.Calls) {
		switch {
		case h.refuse != nil && h.refuse(c):
			h.do(h.w.Refused(c, filter.NotSent, h.now), s)
		case c.Path == api.Feed:
			h.polls = append(h.polls, c)
		default:
			h.sent = append(h.sent, c)
		}
	}
	for _, write := range leases {
		h.do(h.w.Written(write, true, h.now), nil)
	}
}

func (h *host) become(s *Stream, a filter.Action) {
	h.t.Helper()
	if before := h.became[s]; before != "" && before != "continue" {
		h.t.Errorf("a stream that became %q goes on", before)
	}
	if a.Verdict == filter.ReadHeaders {
		a = h.w.Complete(s, h.seen[s])
	}
	switch {
	case a.Verdict == filter.Continue:
		h.became[s] = "continue"
		for _, e := range a.Edits {
			if e.Name == "x-user-id" {
				h.edits[s] = strings.Clone(e.Value)
			}
			if e.Name == "authorization" || e.Name == "x-token" {
				h.tokens[s] = e.Value
			}
		}
		s.Resumed()
	case a.Reply == nil:
		h.became[s] = "deny"
	default:
		h.became[s], h.detail[s] = fmt.Sprint("deny ", a.Reply.Status), a.Details()
	}
}

// request sends a request with a session.
func (h *host) request(key string) *Stream {
	h.t.Helper()
	return h.requestWith(filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + key}})
}

func (h *host) requestWith(headers filter.Headers) *Stream {
	h.t.Helper()
	s := &Stream{}
	h.seen[s] = headers
	route, err := h.w.Route("", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.do(h.w.Request(s, headers, route, h.now), s)
	return s
}

// respond has the upstream answer.
func (h *host) respond(s *Stream, headers ...[2]string) {
	h.t.Helper()
	h.became[s] = ""
	h.do(h.w.Response(s, append(filter.Headers{{":status", "200"}}, headers...), h.now), s)
}

// gone ends a stream.
func (h *host) gone(s *Stream) {
	h.w.StreamDone(s)
	delete(h.became, s)
}

// answer answers the oldest callout: each call of it by what respond returns.
func (h *host) answer(respond func(path, body string) (status, answer string)) {
	h.t.Helper()
	if len(h.sent) == 0 {
		h.t.Fatal("no callout is under way")
	}
	c := h.sent[0]
	h.sent = h.sent[1:]
	status, body := "200", ""
	if c.Path == api.Batch {
		for i, line := range strings.Split(strings.TrimSuffix(c.Body, "\n"), "\n") {
			path, text, _ := strings.Cut(line, " ")
			status, answer := respond(path, text)
			body += fmt.Sprint(i, " ", status, " ", answer, "\n")
		}
	} else {
		status, body = respond(c.Path, c.Body)
	}
	memory := []byte(body)
	h.do(h.w.CalloutDone(c, filter.Answer{Status: status, Body: textOf(memory)}, h.now), nil)
	for i := range memory {
		memory[i] = '!' // it was only lent
	}
}

// fail has the oldest callout fail, as Envoy tells it.
func (h *host) fail(status string) {
	h.t.Helper()
	c := h.sent[0]
	h.sent = h.sent[1:]
	h.do(h.w.CalloutDone(c, filter.Answer{Status: status, Body: "upstream connect error"}, h.now), nil)
}

// always answers every call alike.
func always(status, answer string) func(string, string) (string, string) {
	return func(string, string) (string, string) { return status, answer }
}

// users answers a look-up of keyOf(n) with a session of the user n.
func users(_, body string) (string, string) {
	key := strings.TrimSuffix(strings.TrimPrefix(body, `{"key":"`), `"}`)
	user := strings.TrimLeft(key, "0")
	return "200", liveAnswer("u" + user)
}

// tick is a tick of the worker's housekeeping.
func (h *host) tick() {
	h.t.Helper()
	h.now = h.now.Add(Housekeeping)
	h.tickNow()
}

// tickSoon is a tick that Output.Soon asked for.
func (h *host) tickSoon() {
	h.t.Helper()
	h.now = h.now.Add(time.Millisecond)
	h.tickNow()
}

func (h *host) tickNow() {
	h.t.Helper()
	var shared []SharedData
	for _, key := range h.w.SharedKeys() {
		shared = append(shared, SharedData{Value: h.shared[key]})
	}
	h.do(h.w.Tick(shared, h.now), nil)
}

// follow has the worker follow the feed, from nothing on.
func (h *host) follow() {
	h.t.Helper()
	h.tick()
	h.feed(feedPage("1", true))
}

// feed answers the poll of the feed that is under way.
func (h *host) feed(body string) {
	h.t.Helper()
	if len(h.polls) != 1 {
		h.t.Fatalf("%d polls of the feed are under way, want one", len(h.polls))
	}
	c := h.polls[0]
	h.polls = nil
	h.do(h.w.CalloutDone(c, filter.Answer{Status: "200", Body: body}, h.now), nil)
}

// cache has a session looked up and cached.
func (h *host) cache(key, user string) {
	h.t.Helper()
	s := h.request(key)
	h.answer(always("200", liveAnswer(user)))
	h.want(s, "continue")
	h.gone(s)
}

func (h *host) want(s *Stream, became string) {
	h.t.Helper()
	if got := h.became[s]; got != became {
		h.t.Errorf("a stream became %q, want %q", got, became)
	}
}

// count returns how many of the streams became what.
func (h *host) count(streams []*Stream, became string) (n int) {
	for _, s := range streams {
		if h.became[s] == became {
			n++
		}
	}
	return n
}

// feedPage is an answer of the feed.
func feedPage(cursor string, gap bool, events ...string) string {
	list := ""
	for i, e := range events {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf("%q", e)
	}
	return fmt.Sprintf(`{"cursor":"%s","gap":%v,"events":[%s]}`, cursor, gap, list)
}
