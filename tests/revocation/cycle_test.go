package revocation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session/django"
	"cloakroom/store"
)

const (
	tabs       = 50 // concurrent requests
	cycleEvery = 7 * time.Second
	cycleGrace = 6 * time.Second // longer than a request takes on a busy machine
	browsing   = 18 * time.Second
	reordering = 200 * time.Millisecond // random delay of a response
)

// TestCycle rotates the session of one browser with many tabs: no request is logged out, and one
// key is left in the end. A copy of the first one then revokes the session everywhere.
func TestCycle(t *testing.T) {
	postgres, err := testenv.StartPostgres(t.Context(), testenv.PostgresConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { postgres.Stop() })
	for _, c := range []struct {
		name, url string
		cache     map[string]any
	}{
		{"PostgreSQL, cached", postgres.URL("postgres"), map[string]any{"ttl": "30s"}},
		{"SQLite, no cache", "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3"), map[string]any{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			services := 2
			if len(c.cache) == 0 {
				services = 1
			}
			testCycle(t, newSite(t, shape{
				envoys: 2, workers: 2, services: services, url: c.url, timeout: "5s", cache: c.cache,
				config: map[string]any{"expiry": map[string]any{"cycle_every": cycleEvery.String(), "cycle_grace": cycleGrace.String()}},
				upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(rand.N(40 * time.Millisecond))
					fmt.Fprint(w, r.Header.Get("X-User-Id"))
				}),
			}), c.name)
		})
	}
}

// browser has one cookie, whatever order the responses arrive in.
type browser struct {
	mu   sync.Mutex
	key  string
	keys map[string]bool // that it ever had
}

func (b *browser) current() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.key
}

func (b *browser) take(cookies []*http.Cookie) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cookies {
		if c.Name == "sessionid" {
			b.key, b.keys[c.Value] = c.Value, true
		}
	}
}

func testCycle(t *testing.T, s *site, name string) {
	first := s.create(1)[0]
	b := &browser{key: first, keys: map[string]bool{first: true}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: tabs}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	end := time.Now().Add(browsing)
	var all sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for range tabs {
		all.Go(func() {
			for time.Now().Before(end) {
				status, user, err := b.send(t.Context(), client, s.Bases[rand.IntN(len(s.Bases))])
				if err != nil || status != http.StatusOK || user != "1" {
					t.Errorf("a request of the browser: %d as %q, %v", status, user, err)
					return
				}
				mu.Lock()
				served++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if status, _, err := b.send(t.Context(), client, s.Bases[0]); err != nil || status != http.StatusOK {
		t.Errorf("the last key: %d, %v", status, err)
	}
	last, unused := s.ends(b.keys)
	if last != 1 {
		t.Errorf("%d keys of the browser lead nowhere else, want one", last)
	}
	if len(b.keys) < 3 {
		t.Errorf("the browser had %d keys in %s, want a new one every %s", len(b.keys), browsing, cycleEvery)
	}
	note(t, "cycle "+name, fmt.Sprintf("cycled keys, %s: %d requests of %d tabs with %d keys in turn, answers reordered: all served, one key at the end; %d keys of calls that failed on the way, which no client got", name, served, tabs, len(b.keys), unused))

	for deadline := time.Now().Add(cycleGrace + patience); ; time.Sleep(50 * time.Millisecond) {
		status, err := get(t.Context(), client, s.Bases[0], first)
		if err == nil && status == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a copy of the first key: %d, %v, want 401", status, err)
		}
	}
	for _, base := range s.Bases {
		for deadline := time.Now().Add(patience); ; {
			status, err := get(t.Context(), client, base, b.current())
			if err == nil && status == http.StatusUnauthorized {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the last key after that: %d, %v, want 401", status, err)
			}
		}
	}
	replays := uint64(0)
	for _, port := range s.Ports {
		n, err := testenv.Metric(t.Context(), port, "cloakroom_replayed_keys_total")
		if err != nil {
			t.Fatal(err)
		}
		replays += n
	}
	if replays != 1 {
		t.Errorf("%d replays were counted, want one", replays)
	}
}

// send sends a request with the current cookie; the response's cookie is stored later.
func (b *browser) send(ctx context.Context, client *http.Client, base string) (status int, user string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Sec-Fetch-Mode", "cors")
	request.Header.Set("Cookie", "sessionid="+b.current())
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	time.Sleep(rand.N(reordering))
	b.take(response.Cookies())
	return response.StatusCode, string(body), err
}

// ends returns how many of a browser's keys lead to no other, and how many others do: a call
// that fails after it has stored a new key may leave that key behind, which no client gets.
func (s *site) ends(keys map[string]bool) (last, unused int) {
	s.t.Helper()
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		s.t.Fatal(err)
	}
	sessions, err := store.Open(s.t.Context(), s.url, store.Options{Codec: codec})
	if err != nil {
		s.t.Fatal(err)
	}
	defer sessions.Close()
	for v, err := range sessions.All(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		switch {
		case v.Cycle().Next != nil:
		case keys[v.Key]:
			last++
		default:
			unused++
		}
	}
	return last, unused
}
