package attacks

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// TestInternalRedirect has Envoy follow an upstream's redirect by itself. The filter does not see
// the response that redirects: what that says of the session is lost, which the log says, and what
// it has done to the session is seen at once, though the session was cached.
func TestInternalRedirect(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		var s *site
		s = newSite(t, version, options{
			FilterConfig: testenv.FilterConfig{
				Workers: 1,
				Config:  serviceConfig(map[string]any{"routes": map[string]any{"writer": map[string]any{"accept_updates": true}}}),
				Routes: []testenv.FilterRoute{
					{Name: "writer", Prefix: "/write", Redirects: true}, {Name: "out", Prefix: "/out", Redirects: true}, {Name: "rest", Prefix: "/"},
				},
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/write":
					w.Header().Set("X-Session-Set", `{"colour":"blue"}`)
				case "/out":
					if err := s.store.Delete(context.Background(), strings.TrimPrefix(r.Header.Get("Cookie"), "sessionid=")); err != nil {
						t.Error(err)
					}
					http.SetCookie(w, &http.Cookie{Name: "sessionid", MaxAge: -1})
				default:
					_, _ = w.Write([]byte("the end for " + r.Header.Get("X-User-Id")))
					return
				}
				w.Header().Set("Location", "http://site.test/end")
				w.WriteHeader(http.StatusFound)
			}),
		})
		key := s.create(`{"_auth_user_id":"7"}`)
		cookie := "Cookie: sessionid=" + key
		if status, body := s.get("/end", cookie); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if status, body := s.get("/write", cookie); status != 200 || body != "the end for 7" {
			t.Errorf("a redirect is followed: %d %s", status, body)
		}
		eventually(t, "the log names the route, and what to do", func() bool {
			log := s.envoy.Log()
			return strings.Contains(log, `from the route "writer" to the route "rest"`) && strings.Contains(log, "internal_redirect_policy")
		})
		if v, err := s.store.Load(t.Context(), key); err != nil || strings.Contains(string(v.Data), "colour") {
			t.Errorf("the session is %s, %v", v.Data, err)
		}
		if status, body := s.get("/out", cookie); status != 401 {
			t.Errorf("after a logout in the response that redirects: %d %s", status, body)
		}
		if status, body := s.get("/end", cookie); status != 401 {
			t.Errorf("after the logout: %d %s", status, body)
		}
		if strings.Contains(s.envoy.Log(), `the route "out"`) {
			t.Error("the log names a route of which no instruction is accepted")
		}
	})
}
