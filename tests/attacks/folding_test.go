package attacks

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFoldedHeaders sends identity headers in spellings that servers could take for them, drawn at
// random, on a route that checks sessions and on one with mode off: Django under gunicorn has the
// filter's own, or none. CLOAKROOM_SEED replays a run.
func TestFoldedHeaders(t *testing.T) {
	const requests, each = 60, 8
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CLOAKROOM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	p := djangoWith(t, "db")
	login, _ := p.at(t, "login?user=1", "")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	envoys(t, func(t *testing.T, version string) {
		random := rand.New(rand.NewPCG(seed, 0))
		config := cookieRoutes(engine, nil)
		config.Routes[2].Prefix = "/django/meta" // mode off
		s := newSite(t, version, options{Project: p, FilterConfig: config})
		reached := map[string]int{}
		for range requests {
			var lines []string
			for range 1 + random.IntN(each) {
				lines = append(lines, spelling(random)+": 2")
			}
			for path, cookie := range map[string]string{"/django/private/meta": login, "/django/meta": login, "/django/meta?": ""} {
				status, header, body := s.ask(path, append(lines, "Cookie: sessionid="+cookie)...)
				if status == 400 && header.Get("Seen-Path") == "" {
					continue // Envoy refuses such a name
				}
				var got struct {
					Meta   map[string]string
					Header string
				}
				if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
					t.Fatalf("seed %d: %q: %d %s", seed, lines, status, body)
				}
				reached[path]++
				want := ""
				if strings.Contains(path, "private") {
					want = "1"
				}
				if got.Header != want || got.Meta["HTTP_X_USER_ID"] != want || len(got.Meta) > len(want) || header.Get("Seen-User") != want {
					t.Errorf("seed %d: %s with %q: Django has %q, %q; want %q", seed, path, lines, got.Header, got.Meta, want)
				}
			}
		}
		if len(reached) < 3 {
			t.Errorf("requests reached Django on %v", reached)
		}
		note(t, t.Name(), fmt.Sprintf("Envoy %s, spellings of identity headers: %v requests reached Django, none with another user than the filter's (seed %d)", version, reached, seed))
	})
}

// spelling returns a header's name that some server could take for X-User-Id.
func spelling(random *rand.Rand) string {
	const others = "-_.~!#$%&'*+^`|_-_-_-"
	var name strings.Builder
	for _, c := range "x-user-id" {
		switch {
		case c == '-':
			name.WriteByte(others[random.IntN(len(others))])
		case random.IntN(2) == 0:
			name.WriteString(strings.ToUpper(string(c)))
		default:
			name.WriteRune(c)
		}
	}
	return name.String()
}
