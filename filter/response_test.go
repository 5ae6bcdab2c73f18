package filter

import (
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
	"cloakroom/session"
)

func TestWithCookie(t *testing.T) {
	tests := []struct {
		vary    []string
		want    string
		changed bool
	}{
		{nil, "Cookie", true},
		{[]string{"Accept"}, "Accept, Cookie", true},
		{[]string{"Accept", "Origin, TE"}, "Accept, Origin, TE, Cookie", true},
		{[]string{"Cookies"}, "Cookies, Cookie", true},
		{[]string{"Accept ,COOKIE"}, "", false},
		{[]string{"Accept", "cookie"}, "", false},
		{[]string{"*"}, "", false},
	}
	for _, tt := range tests {
		var h Headers
		for _, value := range tt.vary {
			h = append(h, [2]string{"vary", value})
		}
		if got, changed := withCookie(h); got != tt.want || changed != tt.changed {
			t.Errorf("withCookie(%q) = %q, %v; want %q, %v", tt.vary, got, changed, tt.want, tt.changed)
		}
	}
}

// TestRefreshDue holds that a session's end moves when it is due, to the
// second, and in no other case.
func TestRefreshDue(t *testing.T) {
	hour := session.Policy{Age: time.Hour}
	fixed := session.FixedExpiry(now.Add(time.Minute))
	tests := []struct {
		name   string
		mutate func(s *Stream, h Headers)
		want   bool
	}{
		{"due", func(*Stream, Headers) {}, true},
		{"due this very second", func(s *Stream, _ Headers) { s.result.expires = now.Add(59 * time.Minute) }, true},
		{"not due yet", func(s *Stream, _ Headers) { s.result.expires = now.Add(59*time.Minute + time.Second) }, false},
		{"just written", func(s *Stream, _ Headers) { s.result.expires = now.Add(time.Hour) }, false},
		{"not sliding", func(s *Stream, _ Headers) { s.route.Expiry.SaveEveryRequest = false }, false},
		{"a fixed date", func(s *Stream, _ Headers) { s.result.expiry = fixed }, false},
		{"no session", func(s *Stream, _ Headers) { s.result = none }, false},
		{"404", func(_ *Stream, h Headers) { h[0][1] = "404" }, true},
		{"500", func(_ *Stream, h Headers) { h[0][1] = "500" }, false},
		{"599", func(_ *Stream, h Headers) { h[0][1] = "599" }, false},
		{"no status", func(_ *Stream, h Headers) { h[0][1] = "" }, false},
		{"another cookie is set", func(_ *Stream, h Headers) { h[1] = [2]string{"set-cookie", "other=1; sessionid=2"} }, true},
		{"the cookie is set", func(_ *Stream, h Headers) { h[1] = [2]string{"set-cookie", `sessionid=""; Max-Age=0`} }, false},
	}
	for _, tt := range tests {
		route := *routeOf(t, minimal)
		route.Expiry = config.Expiry{Policy: hour, SaveEveryRequest: true, RefreshEvery: time.Minute}
		s := &Stream{state: state{route: &route, passed: true, key: goodKey, result: &LookupResult{status: liveSession, expires: now.Add(time.Minute)}}}
		h := Headers{{":status", "200"}, {"server", "x"}}
		tt.mutate(s, h)
		action := s.Response(h, now)
		touched := len(action.effects().Notify) == 1 && action.effects().Notify[0].Path == api.Touch
		cookie := ""
		for _, e := range action.Edits {
			if e.Name == "set-cookie" {
				cookie = e.Value
			}
		}
		if touched != tt.want || (cookie != "") != tt.want || action.Verdict != Continue {
			t.Errorf("%s: touched %v, cookie %q, verdict %d; want a refresh: %v", tt.name, touched, cookie, action.Verdict, tt.want)
		}
	}
}
