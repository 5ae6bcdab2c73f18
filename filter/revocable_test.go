package filter

import (
	"testing"

	"cloakroom/filter/config"
)

// TestMarkedOnce: a client that keeps an old cookie has it signed again once, and its next
// requests are decided alike; what that takes counts for what is cached.
func TestMarkedOnce(t *testing.T) {
	route := routeOf(t, `{"engine":{"signed_cookies":{"secret_key":"secret","revocable":true},"service":{"cluster":"s"}}}`)
	cookie, err := route.Signed.Codec().Encode([]byte(`{"_auth_user_id":"7"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	shared := &Shared{Cookies: NewCookieCache()}
	ask := func() (*Stream, Action) {
		s := &Stream{}
		return s, s.Request(Headers{{":path", "/"}, {"cookie", "sessionid=" + cookie}}, route, shared, now)
	}
	first, before := ask()
	bytes := shared.Cookies.Bytes()
	second, after := ask()
	if first.cookieSession == nil || first.cookieSession != second.cookieSession || first.cookieSession.key == "" || first.cookieSession.key == cookie {
		t.Error("the cookie was not signed again, or twice")
	}
	if before.Verdict != Wait || after.Verdict != Wait || *first.Callout() != *second.Callout() {
		t.Errorf("first %+v, then %+v", before, after)
	}
	if kept := len(cookie) + len(first.cookieSession.key) + first.cookieSession.Size(); bytes < kept || shared.Cookies.Bytes() != bytes {
		t.Errorf("%d bytes, then %d, want over %d for what was kept", bytes, shared.Cookies.Bytes(), kept)
	}
	for range 3 { // no more is cached than may be
		shared.Cookies.Grow(cookie, verifiedBytes/2)
	}
	if left := shared.Cookies.Bytes(); left > verifiedBytes || shared.Cookies.Len() != 0 {
		t.Errorf("%d bytes are cached", left)
	}
}

// TestCookiesOfRoutes: what a cookie holds to one route is not taken for what it holds to
// another, with another key.
func TestCookiesOfRoutes(t *testing.T) {
	one, other := routeOf(t, `{"engine":{"signed_cookies":{"secret_key":"one"}}}`), routeOf(t, `{"engine":{"signed_cookies":{"secret_key":"other"}}}`)
	cookie, err := one.Signed.Codec().Encode([]byte(`{"_auth_user_id":"7"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	shared := &Shared{Cookies: NewCookieCache()}
	for range 2 {
		for route, want := range map[*config.Route]Verdict{one: Continue, other: Deny} {
			s := &Stream{}
			if got := s.Request(Headers{{":path", "/"}, {"cookie", "sessionid=" + cookie}}, route, shared, now); got.Verdict != want {
				t.Errorf("got %+v, want verdict %d", got, want)
			}
		}
	}
}
