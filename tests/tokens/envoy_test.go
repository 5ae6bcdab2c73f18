package tokens

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service/token"
)

// each runs a test on both Envoys.
func each(t *testing.T, test func(t *testing.T, version string)) {
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) { test(t, version) })
	}
}

// TestVerified holds that Envoy's jwt_authn accepts the filter's tokens, and that what a client
// sends in their place never arrives.
func TestVerified(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		s := start(t, options{version: version, overlap: time.Hour, cache: "300s", routes: map[string]any{
			"open":  map[string]any{"mode": "optional"},
			"bills": map[string]any{"identity": map[string]any{"token": map[string]any{"audience": "bills"}}},
		}})
		real := s.token()
		if got := s.seen.Load(); got.Get("X-Jwt-Sub") != "7" || got.Get("X-User-Id") != "7" {
			t.Errorf("the upstream got %v", got)
		}
		if status, body := s.get(t.Context(), s.front+"/", s.cookie(), "Authorization: Bearer "+forged(real)); status != http.StatusOK || s.seen.Load().Get("X-Jwt-Sub") != "7" {
			t.Errorf("with a forged token beside the session: %d %s", status, body)
		}
		for _, text := range []string{forged(real), unsigned(real), real, "x"} {
			if status, body := s.get(t.Context(), s.front+"/open", "Authorization: Bearer "+text); status != http.StatusUnauthorized || body != "Jwt is missing" {
				t.Errorf("a client's own token, without a session: %d %s, want that it does not arrive", status, body)
			}
		}
		for _, text := range []string{forged(real), unsigned(real)} {
			if status, body := s.get(t.Context(), s.verifier+"/", "Authorization: Bearer "+text); status != http.StatusUnauthorized {
				t.Errorf("the verifier takes a forged token: %d %s", status, body)
			}
		}
		if status, body := s.get(t.Context(), s.front+"/bills", s.cookie()); status != http.StatusForbidden || !strings.Contains(body, "Audiences") {
			t.Errorf("a token for another audience: %d %s", status, body)
		}
		// The session service's clock may differ from the verifier's by a minute, less what a request takes.
		for _, skew := range []time.Duration{5*time.Second - time.Minute, time.Minute} {
			s.skew.Store(int64(skew))
			if status, body := s.get(t.Context(), s.front+"/", s.cookie()); status != http.StatusOK {
				t.Errorf("with a session service whose clock is off by %s: %d %s", skew, status, body)
			}
		}
		// It is no accident of a lax verifier.
		s.skew.Store(int64(-time.Hour))
		if status, body := s.get(t.Context(), s.front+"/", s.cookie()); status != http.StatusUnauthorized || !strings.Contains(body, "expired") {
			t.Errorf("with a session service whose clock is an hour late: %d %s", status, body)
		}
	})
}

// forged returns a token with another user.
func forged(of string) string {
	parts := strings.Split(of, ".")
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), `"sub":"7"`, `"sub":"1"`, 1)))
	return strings.Join(parts, ".")
}

// unsigned returns a token without a signature, which says so.
func unsigned(of string) string {
	parts := strings.Split(of, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

// TestReplay holds that a token ends by itself after a logout, though it is not revoked.
func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		s := start(t, options{version: version, overlap: time.Hour, cache: "300s", verifierSkew: 1, ttl: "10s"})
		kept := s.token()
		s.call("/v1/flush", `{"key":"`+s.key+`"}`)
		if status, _ := s.get(t.Context(), s.front+"/", s.cookie(), "Sec-Fetch-Mode: cors"); status != http.StatusUnauthorized {
			t.Errorf("after the logout: %d", status)
		}
		end := time.Unix(int64(part(kept, 1)["exp"].(float64)), 0)
		for deadline := time.Now().Add(patience); ; {
			status, body := s.get(t.Context(), s.verifier+"/", "Authorization: Bearer "+kept)
			now := time.Now()
			if status == http.StatusUnauthorized && strings.Contains(body, "expired") {
				if now.Before(end) {
					t.Errorf("it is refused as expired before its end")
				}
				break
			}
			if status != http.StatusOK || now.After(deadline) {
				t.Fatalf("%d %s, at %s; it ends at %s", status, body, now, end)
			}
		}
	})
}

// TestRotation holds that new keys, of both algorithms, come into use under load without one
// refused request, with and without a cache.
func TestRotation(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		s := start(t, options{version: version, overlap: 4 * time.Second, cache: "1s", ttl: "10s", routes: map[string]any{
			"cached": map[string]any{"engine": map[string]any{"service": map[string]any{"cache": map[string]any{"ttl": "1h"}}}},
		}})
		for _, algorithm := range []string{token.EdDSA, token.ES256} {
			if all, refused := s.rotate(algorithm, 200); refused != 0 {
				t.Errorf("%d of %d requests are refused while a key for %s comes into use", refused, all, algorithm)
			}
		}
	})
}

// TestTooEarly is the control of TestRotation: a key that signs before the verifier has it.
func TestTooEarly(t *testing.T) {
	s := start(t, options{version: testenv.Envoy140, overlap: 0, cache: "300s"})
	if all, refused := s.rotate(token.ES256, 1); refused == 0 {
		t.Errorf("of %d requests none is refused", all)
	}
}

// rotate makes a new key under load, until so many requests on each route have had a token by it,
// or some were refused. It returns how many requests there were, and were refused.
func (s *site) rotate(algorithm string, enough int64) (all, refused int64) {
	s.Helper()
	ctx, stop := context.WithTimeout(s.Context(), patience)
	defer stop()
	var total, bad atomic.Int64
	var byNew [2]atomic.Int64
	var next atomic.Pointer[string]
	var load sync.WaitGroup
	for i := range 4 {
		path, counted := []string{"/", "/cached"}[i%2], &byNew[i%2]
		load.Go(func() {
			for counted.Load() < enough && bad.Load() < enough && ctx.Err() == nil {
				status, body := s.get(s.Context(), s.front+path, s.cookie())
				total.Add(1)
				if key := next.Load(); status != http.StatusOK {
					bad.Add(1)
				} else if key != nil && body == *key {
					counted.Add(1)
				}
			}
		})
	}
	for total.Load() < 50 && ctx.Err() == nil {
		_, _ = s.get(s.Context(), s.front+"/", s.cookie())
	}
	id := s.newKey(algorithm).ID
	next.Store(&id)
	load.Wait()
	for i := range byNew {
		if n := byNew[i].Load(); n < enough && bad.Load() == 0 {
			s.Fatalf("of %d requests only %d of a route had a token by the new key", total.Load(), n)
		}
	}
	s.Logf("%d requests, %d refused", total.Load(), bad.Load())
	return total.Load(), bad.Load()
}
