package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
)

// tokenConfig is a configuration with two routes that want different tokens, and one that wants
// none.
const tokenConfig = `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}},"cookie":{"secure":false},%s"routes":{
	"orders":{"identity":{"token":{"header":"authorization","audience":"orders"}}},
	"bills":{"identity":{"token":{"header":"x-token","audience":"bills"}}}}}`

// tokenHost is a host whose session service mints the tokens a.a.1, a.a.2 and so on.
type tokenHost struct {
	*host
	minted int
}

func newTokenHost(t *testing.T, fields string) *tokenHost {
	h := &tokenHost{host: newHost(t, fmt.Sprintf(tokenConfig, fields))}
	h.follow()
	return h
}

// mints answers each look-up, with a token of a minute for those that ask for one.
func (h *tokenHost) mints(_, body string) (string, string) {
	return h.mintsFor("7", 60)("", body)
}

func (h *tokenHost) mintsFor(user string, seconds int) func(path, body string) (string, string) {
	return func(_, body string) (string, string) {
		answer := liveAnswer(user)
		if strings.Contains(body, `"token":`) {
			h.minted++
			answer = fmt.Sprintf(`%s,"token":"a.a.%d","token_ttl":%d}`, strings.TrimSuffix(answer, "}"), h.minted, seconds)
		}
		return "200", answer
	}
}

// ask sends a request on a route, at a time after the start, with the feed followed or not.
func (h *tokenHost) ask(route string, after time.Duration, followed bool) *Stream {
	h.t.Helper()
	h.now = start.Add(after)
	h.w.order[0].feed.heard = h.now
	if !followed {
		h.w.order[0].feed.heard = h.now.Add(-MaxFeedSilence)
	}
	s := &Stream{}
	h.seen[s] = filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + goodKey}}
	r, err := h.w.Route(route, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.do(h.w.Request(s, h.seen[s], r, h.now), s)
	return s
}

// got checks what became of a stream, and its token.
func (h *tokenHost) got(s *Stream, became, token string) {
	h.t.Helper()
	if h.want(s, became); h.tokens[s] != token {
		h.t.Errorf("at %s the token is %q, want %q", h.now.Sub(start), h.tokens[s], token)
	}
}

// TestTokenRenewed goes through the life of a token that is cached: it is renewed in the last
// third of it, handed on while it is valid if that fails, and never after its end.
func TestTokenRenewed(t *testing.T) {
	const end = time.Minute
	for _, tt := range []struct {
		fields, about string
		after         time.Duration
		followed      bool
		sent          int
		answer        string // the status of the answer; empty: the token is renewed
		became, token string
	}{
		{"", "in its first two thirds", 40*time.Second - 1, true, 0, "", "continue", "Bearer a.a.1"},
		{"", "in its last third", 41 * time.Second, true, 1, "", "continue", "Bearer a.a.2"},
		{"", "the renewal fails", 41 * time.Second, true, 1, "503", "continue", "Bearer a.a.1"},
		{"", "the renewal fails, at the end", end - 1, true, 1, "503", "continue", "Bearer a.a.1"},
		{"", "after its end", end, true, 1, "", "continue", "Bearer a.a.2"},
		{"", "after its end, the renewal fails", end, true, 1, "503", "deny 503", ""},
		{"", "in an outage", 41 * time.Second, false, 1, "503", "deny 503", ""},
		{`"on_unavailable":"stale",`, "in an outage, with what was cached", 41 * time.Second, false, 1, "503", "continue", "Bearer a.a.1"},
		{`"on_unavailable":"stale",`, "in an outage, after its end", end, false, 1, "503", "deny 503", ""},
		{`"on_unavailable":"allow",`, "in an outage, as anonymous", 41 * time.Second, false, 1, "503", "continue", ""},
		{`"on_unavailable":"allow",`, "after its end, as anonymous", end, true, 1, "503", "continue", ""},
	} {
		h := newTokenHost(t, tt.fields)
		first := h.ask("orders", 0, true)
		h.answer(h.mints)
		h.got(first, "continue", "Bearer a.a.1")
		s := h.ask("orders", tt.after, tt.followed)
		if len(h.sent) != tt.sent {
			t.Errorf("%s: %d look-ups, want %d", tt.about, len(h.sent), tt.sent)
			continue
		}
		if tt.sent > 0 && tt.answer == "" {
			h.answer(h.mints)
		} else if tt.sent > 0 {
			h.fail(tt.answer)
		}
		t.Log(tt.about)
		h.got(s, tt.became, tt.token)
	}
}

// TestTokenSent holds that a token's end counts from when it was asked for: an answer that comes
// after it is not handed on.
func TestTokenSent(t *testing.T) {
	h := newTokenHost(t, "")
	s := h.ask("orders", 0, true)
	h.now = start.Add(10 * time.Second)
	h.answer(h.mintsFor("7", 10))
	h.got(s, "deny 503", "")
	h = &tokenHost{host: newHost(t, strings.Replace(fmt.Sprintf(tokenConfig, ""), `"cache":{"ttl":"1h"}`, `"cache":{"ttl":"0s"}`, 1))}
	for n, late := range map[time.Duration]string{9 * time.Second: "continue", 10 * time.Second: "deny 503"} {
		s := &Stream{}
		h.seen[s] = filter.Headers{{":method", "GET"}, {":path", "/"}, {"sec-fetch-mode", "cors"}, {"cookie", "sessionid=" + goodKey}}
		r, _ := h.w.Route("orders", nil)
		h.do(h.w.Request(s, h.seen[s], r, h.now), s)
		h.now = h.now.Add(n)
		h.answer(h.mintsFor("7", 10))
		h.want(s, late)
	}
}

// TestTokensApart holds that look-ups for different tokens are apart, and that a cached session
// keeps the tokens of all routes.
func TestTokensApart(t *testing.T) {
	h := newTokenHost(t, "")
	orders, again, bills, none := h.ask("orders", 0, true), h.ask("orders", 0, true), h.ask("bills", 0, true), h.ask("", 0, true)
	for len(h.sent) > 0 {
		h.answer(h.mints)
	}
	h.got(orders, "continue", "Bearer a.a.1")
	h.got(again, "continue", "Bearer a.a.1")
	h.got(bills, "continue", "a.a.2")
	h.got(none, "continue", "")
	h.got(h.ask("orders", time.Second, true), "continue", "Bearer a.a.1")
	h.got(h.ask("bills", time.Second, true), "continue", "a.a.2")
	h.got(h.ask("", time.Second, true), "continue", "")
	if len(h.sent) > 0 {
		t.Errorf("%d look-ups for what is cached", len(h.sent))
	}
	// A later look-up for one keeps the other, unless it is another user's.
	for n, user := range []string{"7", "8"} {
		again := newTokenHost(t, "")
		again.ask("orders", 0, true)
		again.answer(again.mints)
		again.ask("bills", 30*time.Second, true)
		again.answer(again.mints)
		s := again.ask("orders", 45*time.Second, true)
		again.answer(again.mintsFor(user, 60))
		again.got(s, "continue", "Bearer a.a.3")
		if again.ask("bills", 46*time.Second, true); len(again.sent) != n {
			t.Errorf("of the user %s, the token of the user 7 takes %d look-ups", user, len(again.sent))
		}
	}
	// Nor has what was invalidated.
	h.w.order[0].invalidateUser("7")
	h.ask("bills", 2*time.Second, true)
	if len(h.sent) != 1 {
		t.Fatal("the token of a session that was invalidated is handed on")
	}
}

// TestTokenUnasked holds that a token that was not asked for is not handed on, and that one of an
// anonymous session is not looked for again.
func TestTokenUnasked(t *testing.T) {
	h := newTokenHost(t, `"mode":"optional",`)
	s := h.ask("", 0, true)
	h.answer(always("200", strings.TrimSuffix(liveAnswer("7"), "}")+`,"token":"a.a.1","token_ttl":60}`))
	h.got(s, "continue", "")
	s = h.ask("orders", 0, true)
	if len(h.sent) != 1 {
		t.Fatal("a token that was not asked for is handed on")
	}
	h.answer(always("200", strings.Replace(liveAnswer("7"), `"_auth_user_id":"7",`, "", 1)))
	h.got(s, "continue", "")
	h.got(h.ask("orders", time.Second, true), "continue", "")
}

// TestTokenMissing holds that the log has the service's reason, as one line that is bounded.
func TestTokenMissing(t *testing.T) {
	h := newTokenHost(t, "")
	s := h.ask("orders", 0, true)
	h.answer(always("200", strings.TrimSuffix(liveAnswer("7"), "}")+`,"token_missing":"it has\nno keys `+strings.Repeat("x", 1000)+`"}`))
	h.got(s, "deny 503", "")
	if got := strings.Join(h.log, "; "); !strings.Contains(got, "cluster s, which the route wants (identity.token): it has no keys xxx") || len(got) > 500 {
		t.Errorf("the log is %q", got)
	}
}

// TestTokenOverloaded holds that a request with a valid token passes where too many others wait.
func TestTokenOverloaded(t *testing.T) {
	h := newTokenHost(t, "")
	h.ask("orders", 0, true)
	h.answer(h.mints)
	h.w.waiting = maxWaiting
	h.got(h.ask("orders", 41*time.Second, true), "continue", "Bearer a.a.1")
	h.got(h.ask("orders", time.Minute, true), "deny 503", "")
}

// TestTokenOfAnOldKey holds that nothing is used of a key under which a look-up for another token
// has found a newer one: not what is cached, and not what was asked for before.
func TestTokenOfAnOldKey(t *testing.T) {
	newer := strings.Replace(liveAnswer("7"), "{", `{"key":"`+keyOf(2)+`",`, 1)
	h := newTokenHost(t, "")
	h.ask("orders", 0, true)
	h.answer(h.mints)
	h.ask("bills", time.Second, true)
	late := h.ask("", time.Second, true)
	h.got(late, "continue", "")
	h.answer(always("200", strings.TrimSuffix(newer, "}")+`,"token":"a.a.9","token_ttl":60}`))
	if h.ask("orders", time.Second, true); len(h.sent) != 1 {
		t.Error("what is cached of the old key is used")
	}
	h = newTokenHost(t, "")
	h.ask("orders", 0, true)
	h.ask("bills", 0, true)
	orders, bills := h.sent[0], h.sent[1:]
	if len(bills) == 0 { // they wait for one another
		h.now = h.now.Add(overlapAfter)
		h.tick()
		bills = h.sent[1:]
	}
	h.sent = bills
	h.answer(always("200", strings.TrimSuffix(newer, "}")+`,"token":"a.a.9","token_ttl":60}`))
	h.sent = []*Call{orders}
	h.answer(h.mints)
	if h.ask("orders", time.Second, true); len(h.sent) != 1 {
		t.Error("what was asked for before the old key had a newer one is cached")
	}
}
