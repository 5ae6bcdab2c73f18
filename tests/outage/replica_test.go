package outage

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
)

// TestReplicaAway kills, hangs and restarts one of two replicas of the session service under load,
// with the cluster's settings of envoy/bootstrap.yaml and without a cache: the other one serves.
// Only requests that were sent to the first are rejected, and none after them.
func TestReplicaAway(t *testing.T) {
	fields := sampleCluster(t)
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) {
			database := "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3")
			site := testenv.NewSite(t, testenv.SiteConfig{
				Replicas: 2, Service: testenv.ServiceConfig{Store: database, SecretKey: secretKey, Token: token, Bare: true},
				Upstream: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
				FilterConfig: testenv.FilterConfig{
					Version: version, Workers: 2, ClusterFields: fields,
					Config: map[string]any{"cookie": map[string]any{"secure": false}, "engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}},
				},
			})
			codec, err := django.NewCodec(secretKey)
			if err != nil {
				t.Fatal(err)
			}
			sessions, err := store.Open(t.Context(), database, store.Options{Codec: codec})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = sessions.Close() })
			key := sessiontest.Key(t)
			if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			healthy := func(n uint64) {
				t.Helper()
				for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
					got, err := site.Envoys[0].Stat(t.Context(), "cluster.sessions.membership_healthy")
					if err == nil && got == n {
						return
					}
					if time.Now().After(end) {
						t.Fatalf("%d of 2 replicas are healthy, want %d, %v", got, n, err)
					}
				}
			}
			healthy(2)
			l := startLoad(t, site.Bases[0], key)
			l.served(t, 200)
			line := "Envoy " + version + ", one of two replicas of the session service"
			for _, event := range []struct {
				name    string
				happen  func()
				healthy uint64 // replicas, then
			}{
				{"killed", func() { site.Replicas[0].Kill() }, 1},
				{"started again", func() { site.StartReplica(t, 0) }, 2},
				{"stopped without an end", func() { _ = site.Replicas[0].Hang(t.Context()) }, 1},
				{"going on", func() { _ = site.Replicas[0].Resume() }, 2},
			} {
				l.refused.Store(0)
				start := time.Now()
				event.happen()
				healthy(event.healthy)
				l.served(t, 500)
				n := l.refused.Load()
				if most := int64(clients * 4); n > most {
					t.Errorf("%s: %d requests of %d clients were refused, want %d at the most", event.name, n, clients, most)
				}
				line += fmt.Sprintf("; %s: %d refused", event.name, n)
				if last := l.last(); last.After(start) {
					line += fmt.Sprintf(", the last after %s", last.Sub(start).Round(10*time.Millisecond))
				}
			}
			l.stop()
			if n := l.other.Load(); n > 0 {
				t.Errorf("%d requests got neither 200 nor 503", n)
			}
			t.Log(line)
			note(t, "replica-"+version, line)
		})
	}
}

// sampleCluster returns the settings of envoy/bootstrap.yaml for replicas of the session service.
func sampleCluster(t *testing.T) map[string]any {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "envoy", "bootstrap.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var bootstrap struct {
		StaticResources struct {
			Clusters []map[string]any `yaml:"clusters"`
		} `yaml:"static_resources"`
	}
	if err := yaml.Unmarshal(text, &bootstrap); err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	for _, c := range bootstrap.StaticResources.Clusters {
		if c["name"] == "sessions" {
			for _, name := range []string{"health_checks", "outlier_detection", "common_lb_config"} {
				if fields[name] = c[name]; c[name] == nil {
					t.Errorf("envoy/bootstrap.yaml: the cluster sessions has no %s", name)
				}
			}
		}
	}
	return fields
}

// load is clients that send requests with one session, one after the other.
type load struct {
	cancel               context.CancelFunc
	running              sync.WaitGroup
	good, refused, other atomic.Int64
	lastRefused          atomic.Int64 // Unix nanoseconds
}

func startLoad(t *testing.T, base, key string) *load {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &load{cancel: cancel}
	t.Cleanup(l.stop)
	for range clients {
		l.running.Go(func() {
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
				if err != nil {
					panic(err)
				}
				r.Header.Set("Cookie", "sessionid="+key)
				response, err := http.DefaultClient.Do(r)
				switch {
				case ctx.Err() != nil:
				case err == nil && response.StatusCode == http.StatusOK:
					l.good.Add(1)
				case err == nil && response.StatusCode == http.StatusServiceUnavailable:
					l.refused.Add(1)
					l.lastRefused.Store(time.Now().UnixNano())
				default:
					l.other.Add(1)
				}
				if err == nil {
					response.Body.Close()
				}
			}
		})
	}
	return l
}

func (l *load) last() time.Time { return time.Unix(0, l.lastRefused.Load()) }

// served waits until n requests in a row were served.
func (l *load) served(t *testing.T, n int64) {
	t.Helper()
	end := time.Now().Add(patience)
	for refused, good := l.refused.Load(), l.good.Load(); l.good.Load() < good+n; time.Sleep(time.Millisecond) {
		if now := l.refused.Load(); now != refused {
			refused, good = now, l.good.Load()
		}
		if time.Now().After(end) {
			t.Fatalf("no %d requests in a row were served within %s", n, patience)
		}
	}
}

func (l *load) stop() {
	l.cancel()
	l.running.Wait()
}
