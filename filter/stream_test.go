package filter

import (
	"strings"
	"testing"
	"time"
)

const (
	goodKey    = "0123456789abcdefghijklmnopqrstuv"
	liveAnswer = `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"7","theme":"dark"}}`
)

var now = time.Unix(1_900_000_000, 0)

func routeOf(t testing.TB, text string) *Route {
	t.Helper()
	config, err := ParseConfig(text, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return config.Named("")
}

func TestFindCookie(t *testing.T) {
	tests := []struct {
		fields []string
		value  string
		state  cookieState
	}{
		{nil, "", cookieAbsent},
		{[]string{""}, "", cookieAbsent},
		{[]string{"s"}, "", cookieAbsent},
		{[]string{"s="}, "", cookieOne},
		{[]string{"s=a"}, "a", cookieOne},
		{[]string{" s = a "}, "a", cookieOne},
		{[]string{`s="a"`}, "a", cookieOne},
		{[]string{`s="a`}, `"a`, cookieOne},
		{[]string{"x=1;s=a;y=2"}, "a", cookieOne},
		{[]string{"s=a=b"}, "a=b", cookieOne},
		{[]string{"S=a", "xs=a", "s2=a", "x=s=a"}, "", cookieAbsent},
		{[]string{"s=a; s=a"}, "a", cookieOne},
		{[]string{`s=a; s="a"`}, "a", cookieOne},
		{[]string{"s=a", "s=a"}, "a", cookieOne},
		{[]string{"s=a; s=b"}, "", cookieAmbiguous},
		{[]string{"s=a", "s=b"}, "", cookieAmbiguous},
		{[]string{"s=a; s="}, "", cookieAmbiguous},
		{[]string{"s=a; s=b; s=a"}, "", cookieAmbiguous},
	}
	for _, tt := range tests {
		var h Headers
		for _, field := range tt.fields {
			h = append(h, [2]string{"cookie", field})
		}
		value, state := findCookie(h, "s")
		if value != tt.value || state != tt.state {
			t.Errorf("findCookie(%q) = %q, %d; want %q, %d", tt.fields, value, state, tt.value, tt.state)
		}
	}
}

func TestFold(t *testing.T) {
	for _, name := range []string{"x-user-id", "X-User-Id", "x_user_id", "X_USER-ID", "x.user.id", "x user\tid", "x-user\x00id"} {
		if got := fold(name); got != "x-user-id" {
			t.Errorf("fold(%q) = %q, want x-user-id", name, got)
		}
	}
}

// FuzzCookies holds that what withoutCookie leaves holds no session cookie and
// every other one.
func FuzzCookies(f *testing.F) {
	f.Add("a=b; s=1;s=2; c", "s=3")
	f.Add(`s="a;b"; =; ;;`, "")
	f.Fuzz(func(t *testing.T, first, second string) {
		h := Headers{{"cookie", first}, {"cookie", second}}
		_, state := findCookie(h, "s")
		edits := withoutCookie(h, "s")
		if (state == cookieAbsent) != (len(edits) == 0) {
			t.Fatalf("state %d and edits %v for %q", state, edits, h)
		}
		if len(edits) == 0 || edits[0].Op == Remove {
			return
		}
		if _, state := findCookie(Headers{{"cookie", edits[0].Value}}, "s"); state != cookieAbsent {
			t.Fatalf("%q still holds the cookie, from %q", edits[0].Value, h)
		}
	})
}

// FuzzRequest holds, for any headers and any answer, that nothing is admitted
// without a live session, and that no header of a client passes for identity.
func FuzzRequest(f *testing.F) {
	f.Add("cookie", "sessionid="+goodKey, "x_user_id", "1", "200", liveAnswer)
	f.Add("Sec-Fetch-Mode", "navigate", "X-SESSION", "{}", "200", `{"state":"none"}`)
	f.Add("content-type", "application/grpc", "cookie", "sessionid="+goodKey, "504", "")
	route := routeOf(f, `{"engine":{"service":{"cluster":"sessions"}},"logout":{"path":"/out"}}`)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, status, body string) {
		h := Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {name1, value1}, {name2, value2}}
		var stream Stream
		action := stream.Request(h, route, now)
		if action.Verdict == Continue {
			t.Fatal("admitted before anybody was asked")
		}
		if action.Verdict == Wait {
			action = stream.Reply(Answer{status, body}, now)
		}
		if action.Verdict != Continue {
			return
		}
		if status != "200" || !strings.Contains(body, "live") {
			t.Fatalf("admitted by the answer %q %q", status, body)
		}
		removed := map[string]bool{}
		for _, e := range action.Edits {
			removed[e.Name] = true
		}
		for _, field := range h[3:] {
			folded := fold(field[0])
			if (folded == "x-user-id" || folded == "x-session") && field[0] != "" && field[0][0] != ':' && !removed[field[0]] {
				t.Fatalf("the client's %q reaches the upstream", field[0])
			}
		}
	})
}

// FuzzAnswer holds that no answer makes the filter admit without a user.
func FuzzAnswer(f *testing.F) {
	f.Add("200", liveAnswer)
	f.Add("200", `{"state":"live","expires":2000000000,"data":{"_session_expiry":"x","_auth_user_id":[1,{"a":"\ud800"}]}}`)
	route := routeOf(f, `{"engine":{"service":{"cluster":"sessions"}},"expiry":{"save_every_request":true}}`)
	f.Fuzz(func(t *testing.T, status, body string) {
		var stream Stream
		stream.Request(Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + goodKey}}, route, now)
		action := stream.Reply(Answer{status, body}, now)
		if action.Verdict != Continue {
			return
		}
		user := false
		for _, e := range action.Edits {
			for i := 0; i < len(e.Value); i++ {
				if e.Value[i] < ' ' || e.Value[i] == 0x7f {
					t.Fatalf("header %s has the value %q", e.Name, e.Value)
				}
			}
			user = user || e.Name == "x-user-id"
		}
		if !user {
			t.Fatalf("admitted without a user by %q", body)
		}
		stream.Response(Headers{{":status", "200"}}, now)
	})
}
