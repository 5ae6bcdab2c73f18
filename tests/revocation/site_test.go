// Package revocation tests the guarantees of the filter's cache: one lookup for all that wait, and
// a revocation that reaches every Envoy, with real Envoys, replicas of the session service,
// PostgreSQL and Valkey.
package revocation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
)

const (
	secretKey = "the revocations' SECRET_KEY"
	token     = "the revocations' token"
	// patience is the deadline of polling.
	patience = 20 * time.Second
)

// site is several Envoys and several replicas of the session service on one store.
type site struct {
	*testenv.Site
	t        *testing.T
	url      string // the store's
	degraded bool   // a replica is stopped: lookups may fail
}

type shape struct {
	envoys, workers, services int
	url                       string
	cache                     map[string]any
	timeout                   string
	config                    map[string]any // additions to the filter's
	upstream                  http.Handler   // nil: one that returns the identity
}

func newSite(t *testing.T, c shape) *site {
	t.Helper()
	if c.upstream == nil {
		c.upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-User-Id")) })
	}
	config := map[string]any{
		"cookie": map[string]any{"secure": false},
		"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": c.timeout, "cache": c.cache}},
	}
	maps.Copy(config, c.config)
	return &site{t: t, url: c.url, Site: testenv.NewSite(t, testenv.SiteConfig{
		Envoys: c.envoys, Replicas: c.services, Upstream: c.upstream,
		FilterConfig: testenv.FilterConfig{Workers: c.workers, Config: config},
		Service:      testenv.ServiceConfig{Store: c.url, SecretKey: secretKey, Token: token, Bare: true},
	})}
}

// create stores sessions and returns their keys.
func (s *site) create(n int) []string {
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
	keys := make([]string, n)
	each(n, func(i int) {
		keys[i] = sessiontest.Key(s.t)
		v := session.Session{Key: keys[i], Data: []byte(`{"_auth_user_id":"1","theme":"dark"}`), Expires: time.Now().Add(time.Hour)}
		if err := sessions.Create(s.t.Context(), v); err != nil {
			s.t.Error(err)
		}
	})
	return keys
}

// each calls do n times, eight at a time.
func each(n int, do func(i int)) {
	var working sync.WaitGroup
	const hands = 8
	for hand := range hands {
		working.Go(func() {
			for i := hand; i < n; i += hands {
				do(i)
			}
		})
	}
	working.Wait()
}

// get sends a request with a session to one of the Envoys and returns the response's status.
func get(ctx context.Context, client *http.Client, base, key string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Sec-Fetch-Mode", "cors")
	request.Header.Set("Cookie", "sessionid="+key)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// flushing returns a function that ends a session.
func (s *site) flushing(key string) func() error {
	return func() error { return s.flush(map[string]any{"key": key}) }
}

// revoking returns a function that revokes a session by the command line, as an operator does.
func (s *site) revoking(key string) func() error {
	return func() error {
		cloakroom, err := testenv.Cloakroom()
		if err != nil {
			return err
		}
		revoke := exec.CommandContext(s.t.Context(), cloakroom, "sessions", "revoke", "--store", s.url, "-")
		revoke.Stdin = strings.NewReader(key + "\n")
		revoke.Env = append(os.Environ(), "CLOAKROOM_SECRET_KEY="+secretKey)
		if text, err := revoke.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		return nil
	}
}

// flush ends sessions by a replica that is chosen at random, and returns when it has acknowledged.
func (s *site) flush(what map[string]any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	url := "http://127.0.0.1:" + strconv.Itoa(s.Ports[rand.IntN(len(s.Ports))]) + "/v1/flush"
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("flush: %s", response.Status)
	}
	return nil
}

// callouts returns how many calls all the Envoys have made so far.
func (s *site) callouts() (total uint64) {
	s.t.Helper()
	for _, e := range s.Envoys {
		n, err := e.Stat(s.t.Context(), "wasmcustom.cloakroom.callouts")
		if err != nil {
			s.t.Fatal(err)
		}
		total += n
	}
	return total
}

// warm fills the caches: it sends requests until an Envoy responds to a number in a row with no
// callout but those for the feed.
func (s *site) warm(client *http.Client, keys []string) {
	s.t.Helper()
	for _, base := range s.Bases {
		each(len(keys), func(i int) {
			if status, err := get(s.t.Context(), client, base, keys[i]); err != nil || status != http.StatusOK {
				s.t.Errorf("a live session: %d, %v", status, err)
			}
		})
	}
}

func note(t *testing.T, name, line string) {
	t.Helper()
	t.Log(line)
	if t.Failed() {
		line += " (WITH FAILURES)"
	}
	if err := testenv.Summarize("revocation-"+name, line); err != nil {
		t.Fatal(err)
	}
}
