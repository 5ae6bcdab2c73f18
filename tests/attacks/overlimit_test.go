package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cloakroom/session/sessiontest"
)

// TestSessionsOverTheLimit has Django's sessions of more than the session service reads. Up to
// 8 MiB they are admitted as their users', with their data left out; beyond, the refusal does not
// ask for another try, and the logs name the cause. Services cannot write to them.
func TestSessionsOverTheLimit(t *testing.T) {
	p := djangoWith(t, "db")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "10s", "cache": map[string]any{"ttl": "30s"}}}
	envoys(t, func(t *testing.T, version string) {
		front := http.NewServeMux()
		front.Handle("/", p.front(t))
		front.HandleFunc("/go/", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/go/write" {
				w.Header().Set("X-Session-Set", `{"small":2}`)
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"user": r.Header.Get("X-User-Id"), "data": r.Header.Get("X-Session"), "omitted": r.Header.Get("X-Session-Omitted")})
		})
		c := cookieRoutes(engine, map[string]any{"mode": "required", "accept_updates": true, "identity": map[string]any{"data_keys": []string{"*"}}})
		c.AccessLog = "%REQ(:PATH)% details=%RESPONSE_CODE_DETAILS%\n"
		s := newSite(t, version, options{Project: p, Handler: front, FilterConfig: c})
		login, _ := p.at(t, "login?user=1", "")
		v, err := p.store.Load(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1_200_000, 7_000_000, 9_000_000} {
			key := sessiontest.Key(t)
			stored := strings.TrimSuffix(string(v.Data), "}") + fmt.Sprintf(`,"small":1,"page":%q}`, strings.Repeat("x", size))
			p.plant(t, map[string]string{key: stored})
			cookie := "Cookie: sessionid=" + key
			status, header, body := s.ask(fmt.Sprintf("/go/%d", size), cookie)
			if size > 8<<20 {
				if status != 500 || header.Get("Retry-After") != "" || strings.Contains(body, "try again") || !strings.Contains(body, "too large") || cookieIn(header) != "" {
					t.Errorf("%d bytes: %d %v %s", size, status, header, body)
				}
				eventually(t, "the logs name the cause", func() bool {
					s.ask(fmt.Sprintf("/go/%d", size), cookie) // of a second's warnings the first is logged
					log := s.envoy.Log()
					return strings.Contains(log, fmt.Sprintf("/go/%d details=cloakroom_unusable", size)) && strings.Contains(log, "more than 8 MiB")
				})
				continue
			}
			if want := `{"data":"{}","omitted":"[\"page\",\"small\"]","user":"1"}`; status != 200 || strings.TrimSpace(body) != want && strings.TrimSpace(body) != strings.Replace(want, `\"page\",\"small\"`, `\"small\",\"page\"`, 1) {
				t.Errorf("%d bytes: %d %.300s", size, status, body)
			}
			if status, header, body := s.ask("/django/private/read", cookie); status != 200 || header.Get("Seen-User") != "1" {
				t.Errorf("%d bytes, Django: %d, user %q, %.200s", size, status, header.Get("Seen-User"), body)
			}
			if status, _, body := s.ask("/go/write", cookie); status != 502 {
				t.Errorf("%d bytes, a write: %d %.200s", size, status, body)
			}
			eventually(t, "the log names why the write is refused", func() bool { return strings.Contains(s.envoy.Log(), "data too large") })
		}
	})
}
