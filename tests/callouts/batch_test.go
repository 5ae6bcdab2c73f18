// Package callouts tests the filter, in hostsim, with lookups of many sessions at once.
package callouts

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/memory"
)

const (
	token    = "the-batches-token"
	visitors = 60
)

// site is a filter with a session service whose first response can be delayed.
type site struct {
	host  *hostsim.Host
	clock *hostsim.VirtualClock
	keys  []string

	mu     sync.Mutex
	paths  []string      // of the calls
	bodies []string      // of the calls
	paused chan struct{} // receives a value for each request that waits
	open   chan struct{} // closed: the service responds
}

// newSite starts a site. between may change the service's responses; data returns a
// visitor's session data; more is added to the filter's configuration. Its
// clock does not move, so that no callout becomes overdue.
func newSite(t *testing.T, between func(http.Handler) http.Handler, data func(visitor int) string, more string) *site {
	t.Helper()
	return newSiteOf(t, between, data, "", more)
}

// newSiteOf is newSite with additions to the service's configuration.
func newSiteOf(t *testing.T, between func(http.Handler) http.Handler, data func(visitor int) string, ofService, more string) *site {
	t.Helper()
	clock := hostsim.NewVirtualClock(time.Now())
	sessions := memory.New(clock.Now)
	handler, err := service.New(service.Config{Store: sessions, Token: token, Now: clock.Now, MaxData: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{clock: clock, paused: make(chan struct{}, visitors), open: make(chan struct{})}
	answers := between(handler)
	deciding := false
	s.host, err = hostsim.New(t.Context(), hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"engine":{"service":{"cluster":"sessions","token":"` + token + `"` + ofService + `}},"identity":{"data_keys":["name"]}` + more + `}`)}},
		Routes:  []hostsim.Route{{Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{
			"app": hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.Header.Get("X-User-Id"), r.Header.Get("X-Session"))
				if r.URL.Path != "/" {
					fmt.Fprint(w, " ", r.URL, " ", r.Header.Get("Cookie"), r.Header["X_user_id"])
				}
			})),
			"sessions": hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				s.mu.Lock()
				s.paths, s.bodies = append(s.paths, r.URL.Path), append(s.bodies, string(body))
				s.mu.Unlock()
				<-s.open
				answers.ServeHTTP(w, r)
			})),
		},
		LogLevel: hostsim.Error, Clock: clock,
		Trace: func(line string) {
			if deciding && strings.HasPrefix(line, "  = 1") {
				s.paused <- struct{}{}
			}
			deciding = strings.HasPrefix(line, "proxy_on_request_headers(") || (deciding && strings.HasPrefix(line, "  "))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.host.Close(context.Background()) })
	for i := range visitors {
		key := sessiontest.Key(t)
		if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(data(i)), Expires: clock.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		s.keys = append(s.keys, key)
	}
	return s
}

// come sends a visitor's request, and returns when it waits for the service. Its response is
// stored when coming is done; nothing is stored if the client cancelled.
func (s *site) come(ctx context.Context, coming *sync.WaitGroup, visitor int) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	coming.Go(func() {
		defer func() {
			if r := recover(); r != nil && (r != http.ErrAbortHandler || ctx.Err() == nil) { //nolint:errorlint // a panic is no wrapped error
				panic(r)
			}
		}()
		s.host.ServeHTTP(w, fetch(visitor, s.keys[visitor]).WithContext(ctx))
	})
	<-s.paused
	return w
}

// visit sends a request of each visitor at once, and returns the response to each.
func (s *site) visit() (statuses [visitors]int, bodies [visitors]string) {
	for i, w := range s.visitBy(fetch) {
		statuses[i], bodies[i] = w.Code, w.Body.String()
	}
	return statuses, bodies
}

func fetch(_ int, key string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "sessionid="+key)
	r.Header.Set("Sec-Fetch-Mode", "cors")
	return r
}

// visitBy is visit with requests that request returns.
func (s *site) visitBy(request func(visitor int, key string) *http.Request) (answers [visitors]*httptest.ResponseRecorder) {
	var coming sync.WaitGroup
	for i, key := range s.keys {
		coming.Go(func() {
			answers[i] = httptest.NewRecorder()
			s.host.ServeHTTP(answers[i], request(i, key))
		})
	}
	for range visitors {
		<-s.paused
	}
	close(s.open)
	coming.Wait()
	return answers
}

func named(i int) string { return fmt.Sprintf(`{"_auth_user_id":"%d","name":"visitor %d"}`, i, i) }

// TestTogether checks that waiting lookups are batched, and that each visitor gets the response to
// its own.
func TestTogether(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, "")
	statuses, bodies := s.visit()
	for i := range visitors {
		if want := fmt.Sprintf(`%d{"name":"visitor %d"}`, i, i); statuses[i] != 200 || bodies[i] != want {
			t.Errorf("visitor %d: got %d %s, want 200 %s", i, statuses[i], bodies[i], want)
		}
	}
	if got := strings.Join(s.paths, " "); got != "/v1/lookup /v1/batch /v1/batch" {
		t.Errorf("the callouts are %s, want one lookup and two batches", got)
	}
}

// TestTooMuchTogether checks that sessions that do not fit into one response are looked up again.
func TestTooMuchTogether(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, func(i int) string {
		return fmt.Sprintf(`{"_auth_user_id":"%d","name":"visitor %d","more":"%s"}`, i, i, strings.Repeat("x", 60<<10))
	}, "")
	statuses, bodies := s.visit()
	for i := range visitors {
		if want := fmt.Sprintf(`%d{"name":"visitor %d"}`, i, i); statuses[i] != 200 || bodies[i] != want {
			t.Errorf("visitor %d: got %d %.60s, want 200 %s", i, statuses[i], bodies[i], want)
		}
	}
	if alone := strings.Count(strings.Join(s.paths, " "), "/v1/lookup"); alone < visitors/2 {
		t.Errorf("%d were looked up alone, want most of them", alone)
	}
}

// TestDoubt checks that a batch's response with anything invalid admits no visitor, least of all
// as another user.
func TestDoubt(t *testing.T) {
	for name, change := range map[string]func([]string) []string{
		"another order": func(lines []string) []string { lines[0], lines[1] = lines[1], lines[0]; return lines },
		"one missing":   func(lines []string) []string { return lines[1:] },
		"one more":      func(lines []string) []string { return append(lines, lines[0]) },
		"a page":        func([]string) []string { return []string{"<!doctype html>\n", "<title>Welcome</title>\n"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v1/batch" {
						h.ServeHTTP(w, r)
						return
					}
					recorder := httptest.NewRecorder()
					h.ServeHTTP(recorder, r)
					lines := strings.SplitAfter(strings.TrimSuffix(recorder.Body.String(), "\n"), "\n")
					lines[len(lines)-1] += "\n"
					io.WriteString(w, strings.Join(change(lines), ""))
				})
			}, named, "")
			statuses, bodies := s.visit()
			good := 0
			for i := range visitors {
				switch statuses[i] {
				case 200: // the one that was looked up alone
					good++
					if !strings.HasPrefix(bodies[i], fmt.Sprint(i, "{")) {
						t.Errorf("visitor %d is taken for %s", i, bodies[i])
					}
				case 503:
				default:
					t.Errorf("visitor %d: got %d, want 503", i, statuses[i])
				}
			}
			if good != 1 {
				t.Errorf("%d are admitted, want the one that was looked up alone", good)
			}
		})
	}
}
