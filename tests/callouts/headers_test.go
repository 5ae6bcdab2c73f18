package callouts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"cloakroom/session/sessiontest"
)

// TestHeadersOfOthers checks that a request that was paused continues with its own headers: later
// requests reuse the memory in which they arrived.
func TestHeadersOfOthers(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, `,"forward_cookie":false`)
	for i := 0; i < visitors; i += 2 {
		s.keys[i] = sessiontest.Key(t) // a key without a session
	}
	answers := s.visitBy(func(i int, key string) *http.Request {
		r := httptest.NewRequest("GET", fmt.Sprint("/page/", i), nil)
		r.Header.Set("Cookie", fmt.Sprintf("sessionid=%s; mine=%d", key, i))
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header["x_user_id"] = []string{"1"}
		return r
	})
	for i, w := range answers {
		if i%2 == 0 {
			if got, want := w.Header().Get("Location"), fmt.Sprint("/login/?next=/page/", i); w.Code != 302 || got != want {
				t.Errorf("visitor %d without a session: %d to %q, want 302 to %q", i, w.Code, got, want)
			}
			continue
		}
		if want := fmt.Sprintf(`%d{"name":"visitor %d"} /page/%d mine=%d[]`, i, i, i, i); w.Code != 200 || w.Body.String() != want {
			t.Errorf("visitor %d: got %d %q, want 200 %q", i, w.Code, w.Body, want)
		}
	}
}
