package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/filter/config"
)

const (
	goodKey    = "0123456789abcdefghijklmnopqrstuv"
	liveAnswer = `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"7","theme":"dark"}}`
)

var now = time.Unix(1_900_000_000, 0)

func routeOf(t testing.TB, text string) *config.Route {
	t.Helper()
	config, err := config.Parse(text, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return config.Named("")
}

// ask has a stream decide on a request, as a worker without a cache does.
func ask(s *Stream, h Headers, route *config.Route) Action {
	action := s.Request(h, route, &Shared{Cookies: NewCookieCache()}, now)
	if action.Verdict == Wait {
		s.Callout()
	}
	return action
}

// answered gives a stream that waits the answer to its callout; h are the request's headers,
// should they be wanted again.
func answered(s *Stream, a Answer, h Headers) Action {
	action := s.LookedUp(s.Parse(a, now), now)
	if action.Verdict != ReadHeaders {
		return action
	}
	completed := s.Complete(h)
	if action.Effects != nil {
		*completed.effects() = *action.Effects
	}
	if completed.Outcome == Undecided {
		completed.Outcome = action.Outcome
	}
	return completed
}

func TestFold(t *testing.T) {
	for _, name := range []string{"x-user-id", "X-User-Id", "x_user_id", "X_USER-ID", "x.user.id", "x user\tid", "x-user\x00id"} {
		if got := config.Fold(name); got != "x-user-id" {
			t.Errorf("config.Fold(%q) = %q, want x-user-id", name, got)
		}
	}
}

// applied gives headers with the edits made, as a host makes them.
func applied(h Headers, edits []Edit) (out Headers) {
	out = append(out, h...)
	for _, e := range edits {
		if e.Op != Add {
			out = slices.DeleteFunc(out, func(field [2]string) bool { return field[0] == e.Name })
		}
		if e.Op != Remove {
			out = append(out, [2]string{e.Name, e.Value})
		}
	}
	return out
}

// FuzzRequest holds, for any headers and any answer and in every mode, that
// nothing passes for a session without a live answer, and that no header of a
// client passes for identity.
func FuzzRequest(f *testing.F) {
	for mode := range byte(4) {
		f.Add(mode, "cookie", "sessionid="+goodKey, "x_user_id", "1", "200", liveAnswer)
		f.Add(mode, "sec-fetch-mode", "navigate", "x-session", "{}", "200", `{"state":"none"}`)
		f.Add(mode, "content-type", "application/grpc", "cookie", "sessionid="+goodKey, "504", "")
	}
	rest := `"engine":{"service":{"cluster":"sessions"}},"logout":{"path":"/out"}`
	routes := []*config.Route{
		routeOf(f, `{`+rest+`}`),
		routeOf(f, `{"mode":"optional",`+rest+`}`),
		routeOf(f, `{"mode":"off",`+rest+`}`),
		routeOf(f, `{"on_unavailable":"allow","forward_cookie":false,`+rest+`}`),
	}
	f.Fuzz(func(t *testing.T, mode byte, name1, value1, name2, value2, status, body string) {
		route := routes[mode%4]
		h := Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}, {name1, value1}, {name2, value2}}
		var stream Stream
		action := ask(&stream, h, route)
		asked := action.Verdict == Wait
		if asked {
			action = answered(&stream, Answer{status, body}, h)
		}
		live := asked && ParseAnswer(Answer{status, body}, nil).Live()
		if live && (status != "200" || !strings.Contains(body, `"live"`)) {
			t.Fatalf("the answer %q %q counts as live", status, body)
		}
		if action.Verdict != Continue {
			if action.Verdict != Deny || action.Reply.Status < 300 && action.Reply.GRPCStatus == NoGRPC {
				t.Fatalf("the refusal is %+v", action)
			}
			return
		}
		if route == routes[0] && !live || route == routes[3] && !asked {
			t.Fatalf("admitted by the answer %q %q", status, body)
		}
		checkIdentity(t, applied(h, action.Edits), live && route.Mode != config.ModeOff)
	})
}

// checkIdentity sees that what an upstream gets holds identity only in the
// filter's own spelling, once, and only with a live session.
func checkIdentity(t *testing.T, h Headers, live bool) {
	seen := map[string]int{}
	for _, field := range h {
		name := field[0]
		if folded := config.Fold(name); name == "" || name[0] == ':' || (folded != "x-user-id" && folded != "x-session") {
			continue
		}
		seen[name]++
		if !live || seen[name] > 1 || (name != "x-user-id" && name != "x-session") {
			t.Fatalf("the upstream gets %q: %q, with a live session: %v", name, field[1], live)
		}
	}
}

// FuzzAnswer holds that no answer makes the filter admit without a user.
func FuzzAnswer(f *testing.F) {
	f.Add("200", liveAnswer)
	f.Add("200", `{"state":"live","expires":2000000000,"data":{"_session_expiry":"x","_auth_user_id":[1,{"a":"\ud800"}]}}`)
	route := routeOf(f, `{"engine":{"service":{"cluster":"sessions"}},"expiry":{"save_every_request":true}}`)
	f.Fuzz(func(t *testing.T, status, body string) {
		var stream Stream
		request := Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + goodKey}}
		ask(&stream, request, route)
		action := answered(&stream, Answer{status, body}, request)
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

// TestAnswersAreLent: a stream keeps nothing of an answer's memory, once it is spoilt.
func TestAnswersAreLent(t *testing.T) {
	const newer = "abcdefghijklmnopqrstuvwxyz012345"
	renewed := strings.Replace(liveAnswer, `{"state"`, `{"key":"`+newer+`","state"`, 1)
	route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"accept_updates":true}`)
	request := Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + goodKey}}
	whole := func(s *Stream) {
		t.Helper()
		if r := s.result; s.key != newer || strings.Contains(r.text+r.user+r.key, "!") {
			t.Errorf("of an answer that is spoilt the stream keeps the key %q and %+v", s.key, r)
		}
	}
	reply := func(s *Stream, answer string) {
		t.Helper()
		memory := []byte(answer)
		if action := answered(s, Answer{"200", textOf(memory)}, request); action.Verdict != Continue {
			t.Fatalf("not admitted: %+v", action)
		}
		s.Resumed()
		for i := range memory {
			memory[i] = '!'
		}
	}
	var s Stream
	ask(&s, request, route)
	reply(&s, renewed)
	whole(&s)
	if action := s.Response(Headers{{":status", "200"}}, now); !strings.Contains(fmt.Sprint(action.Edits), newer) {
		t.Errorf("the client is told %v, want the new key", action.Edits)
	}
	s.Reset()
	ask(&s, request, route)
	reply(&s, liveAnswer)
	s.Response(Headers{{":status", "200"}, {"x-session-login", "7"}}, now)
	reply(&s, renewed)
	whole(&s)
}

// TestInvalidate: what is cached of a session is invalidated once a stream has changed it,
// whatever came of it.
func TestInvalidate(t *testing.T) {
	route := routeOf(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}},"accept_updates":true,"logout":{"path":"/out"}}`)
	cookie := [2]string{"cookie", "sessionid=" + goodKey}
	live := Answer{"200", liveAnswer}
	for name, upstream := range map[string]Headers{
		"set":             {{":status", "200"}, {"x-session-set", `{"a":1}`}},
		"login":           {{":status", "200"}, {"x-session-login", "7"}},
		"flush":           {{":status", "200"}, {"x-session-flush", "1"}},
		"Django changes":  {{":status", "200"}, {"set-cookie", "sessionid=" + goodKey + "; Path=/"}},
		"Django ends":     {{":status", "302"}, {"set-cookie", `sessionid=""; Max-Age=0`}},
		"Django, failing": {{":status", "500"}, {"set-cookie", `sessionid=""; Max-Age=0`}},
	} {
		for _, response := range []Answer{live, {}, {"200", `{"state":"none"}`}} {
			var s Stream
			request := Headers{{":method", "GET"}, {":path", "/"}, cookie}
			ask(&s, request, route)
			answered(&s, live, request)
			action := s.Response(upstream, now)
			if action.Verdict == Wait {
				action = answered(&s, response, nil)
			}
			if action.effects().Invalidate != goodKey {
				t.Errorf("%s, answered %+v: invalidates %q", name, response, action.effects().Invalidate)
			}
		}
	}
	for _, response := range []Answer{{}, {"200", `{"state":"none"}`}} {
		var s Stream
		request := Headers{{":method", "POST"}, {":path", "/out"}, {"sec-fetch-site", "same-origin"}, cookie}
		ask(&s, request, route)
		if action := answered(&s, response, request); action.effects().Invalidate != goodKey {
			t.Errorf("logout, answered %+v: invalidates %q", response, action.effects().Invalidate)
		}
	}
}
