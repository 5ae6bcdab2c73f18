package redis_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/redis"
)

// TestFull fills real servers. Live sessions stay readable and can be ended; a write that does not
// fit fails and names the cause; warnings come before that, and for a policy that evicts.
func TestFull(t *testing.T) {
	for name := range servers {
		t.Run(name, func(t *testing.T) {
			server, err := testenv.StartRedis(t.Context(), testenv.RedisConfig{Server: name, Args: []string{"--maxmemory", "64mb", "--maxmemory-policy", "noeviction"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Stop() })
			s := open(t, "redis://"+server.Address()+"/0", time.Now)
			feed, err := s.Feed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			handler, err := service.New(service.Config{Store: s, Feed: feed, Open: true, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			call := func(method, path, body string) (int, string) {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
				return w.Code, w.Body.String()
			}
			key := sessiontest.Key(t)
			if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			if status, body := call("GET", "/readyz", ""); status != 200 || strings.Contains(body, "warnings") {
				t.Errorf("with room: %d %s", status, body)
			}
			bound(t, server, s, 0.95)
			if status, body := call("GET", "/readyz", ""); status != 200 || !strings.Contains(body, "nearly full") || !strings.Contains(body, "maxmemory") {
				t.Errorf("nearly full: %d %s", status, body)
			}
			if _, metrics := call("GET", "/metrics", ""); !strings.Contains(metrics, "cloakroom_store_max_bytes") || !strings.Contains(metrics, "cloakroom_store_used_bytes") || !strings.Contains(metrics, "cloakroom_store_evicts 0") {
				t.Errorf("the metrics: %s", metrics)
			}
			bound(t, server, s, 2)
			if _, err := s.Load(t.Context(), key); err != nil {
				t.Errorf("full, a lookup: %v", err)
			}
			status, body := call("POST", "/v1/flush", `{"key":"`+sessiontest.Key(t)+`","age":3600}`)
			if status != http.StatusServiceUnavailable || !strings.Contains(body, "it is full") {
				t.Errorf("full, a revocation: %d %s", status, body)
			}
			if err := s.SetNote(t.Context(), "revoked.x", session.Note{Expires: time.Now().Add(time.Hour)}); !errors.Is(err, session.ErrFull) || !strings.Contains(err.Error(), "maxmemory") {
				t.Errorf("full, a note: %v", err)
			}
			status, body = call("POST", "/v1/flush", `{"key":"`+key+`"}`)
			if _, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("full, the session that was to end: %v (%d %s)", err, status, body)
			}
			if status == 503 && !strings.Contains(body, "it is full") {
				t.Errorf("full, an end that not all filters are notified of: %d %s", status, body)
			}
			t.Logf("the response to a logout is %d %s", status, strings.TrimSpace(body))
		})
		t.Run(name+", evicting", func(t *testing.T) {
			server, err := testenv.StartRedis(t.Context(), testenv.RedisConfig{Server: name, Args: []string{"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Stop() })
			c, err := open(t, "redis://"+server.Address()+"/0", time.Now).Capacity(t.Context())
			if warnings := fmt.Sprint(c.Warnings()); err != nil || c.Evicts != "allkeys-lru" || !strings.Contains(warnings, "allkeys-lru") || !strings.Contains(warnings, "noeviction") {
				t.Errorf("%+v, %v, %s", c, err, warnings)
			}
		})
	}
	for name := range servers {
		if c, err := open(t, fresh(name), time.Now).Capacity(t.Context()); err != nil || c.Max != 0 || c.Evicts != "" || c.Used == 0 {
			t.Errorf("%s without maxmemory: %+v, %v", name, c, err)
		}
	}
}

// bound sets maxmemory so that the memory in use is a given part of it.
func bound(t *testing.T, server *testenv.RedisServer, s *redis.Store, part float64) {
	t.Helper()
	c, err := s.Capacity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := goredis.NewClient(&goredis.Options{Addr: server.Address(), DisableIdentity: true})
	defer other.Close()
	if err := other.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(int64(float64(c.Used)/part))).Err(); err != nil {
		t.Fatal(err)
	}
}
