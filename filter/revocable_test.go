package filter

import "testing"

// TestStampedOnce: a client that keeps an old cookie has it signed again once, and its next
// requests are decided alike; what that takes counts for what is remembered.
func TestStampedOnce(t *testing.T) {
	route := routeOf(t, `{"engine":{"signed_cookies":{"secret_key":"secret","revocable":true},"service":{"cluster":"s"}}}`)
	cookie, err := route.Signed.codec.Encode([]byte(`{"_auth_user_id":"7"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (*Stream, Action) {
		s := &Stream{}
		return s, s.Request(Headers{{":path", "/"}, {"cookie", "sessionid=" + cookie}}, route, Memory{}, now)
	}
	first, before := ask()
	bytes := route.Signed.verified.bytes
	second, after := ask()
	if first.kept == nil || first.kept != second.kept || first.kept.key == "" || first.kept.key == cookie {
		t.Error("the cookie was not signed again, or twice")
	}
	if before.Verdict != Wait || after.Verdict != Wait || before.Callout.Body != after.Callout.Body {
		t.Errorf("first %+v, then %+v", before, after)
	}
	if kept := sizeOf(first.kept.key, first.kept); bytes < kept+sizeOf(cookie, &record{}) || route.Signed.verified.bytes != bytes {
		t.Errorf("%d bytes, then %d, want over %d for what was kept", bytes, route.Signed.verified.bytes, kept)
	}
	for range 3 { // no more is remembered than may be
		route.Signed.verified.grow(cookie, verifiedBytes/2)
	}
	if left := route.Signed.verified.bytes; left > verifiedBytes || route.Signed.verified.Len() != 0 {
		t.Errorf("%d bytes are remembered", left)
	}
}
