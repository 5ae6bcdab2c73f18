package revocation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/filter/worker"
	"cloakroom/internal/testenv"
)

const (
	// cached is how many sessions all Envoys cache.
	cached = 10_000
	// revoked is how many of them end, one after the other, under load.
	revoked = 60
)

func TestRevocation(t *testing.T) {
	postgres, err := testenv.StartPostgres(t.Context(), testenv.PostgresConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { postgres.Stop() })
	valkey, err := testenv.StartRedis(t.Context(), testenv.RedisConfig{Server: testenv.Valkey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { valkey.Stop() })
	for name, url := range map[string]string{"PostgreSQL": postgres.URL("postgres"), "Valkey": "redis://" + valkey.Address() + "/0"} {
		t.Run(name, func(t *testing.T) { testRevocation(t, name, url) })
	}
}

func testRevocation(t *testing.T, name, url string) {
	s := newSite(t, shape{envoys: 2, workers: 2, services: 2, url: url, timeout: "2s", cache: map[string]any{"ttl": "1h"}})
	keys := s.create(cached)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	s.warm(client, keys)
	s.warm(client, keys)

	victims, rest := keys[:revoked], keys[revoked+1:]
	byHandKey := keys[revoked]
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var served atomic.Int64
	for i := range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				status, err := get(ctx, client, s.Bases[i%len(s.Bases)], rest[rand.IntN(len(rest))])
				if ctx.Err() != nil {
					return
				}
				if err != nil || status != http.StatusOK {
					t.Errorf("a live session under load: %d, %v", status, err)
				}
				served.Add(1)
			}
		})
	}
	before := s.callouts()
	var lags []time.Duration
	for _, key := range victims {
		lags = append(lags, s.lag(key, s.flushing(key)))
	}
	callouts := s.callouts() - before
	byHand := s.lag(byHandKey, s.revoking(byHandKey))
	stop()
	load.Wait()
	slices.Sort(lags)
	note(t, name, fmt.Sprintf("revocation on %s: %d cached sessions, 2 Envoys of 2 workers, 2 replicas; %d revoked under load, last request admitted after the acknowledgement: p50 %s, worst %s; by the command line %s; meanwhile %d requests and %d callouts",
		name, cached, revoked, lags[len(lags)/2].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond), byHand.Round(time.Millisecond), served.Load(), callouts))

	// One replica less: the other still publishes the whole feed.
	s.Replicas[0].Kill()
	s.Ports, s.degraded = s.Ports[1:], true
	cut := s.lag(rest[0], s.flushing(rest[0]))
	// No replica: cached entries are used for the maximum staleness only.
	s.Replicas[1].Kill()
	killed := time.Now()
	s.refusedInTheEnd(rest[1], http.StatusServiceUnavailable)
	note(t, name+" cut", fmt.Sprintf("revocation on %s: with a replica just killed a revoked session was admitted for %s; with none left, cached sessions were used for %s (worker.MaxFeedSilence: %s)",
		name, cut.Round(time.Millisecond), time.Since(killed).Round(time.Millisecond), worker.MaxFeedSilence))
}

// prober sends requests with one session over its own connections, which several workers share.
type prober struct {
	client *http.Client
	base   string
}

func (s *site) probers() (all []prober) {
	for _, base := range s.Bases {
		for range 4 {
			all = append(all, prober{&http.Client{Transport: &http.Transport{}}, base})
		}
	}
	return all
}

// lag ends a session while it is used through all Envoys, and returns for how long after the
// acknowledgement requests that were admitted were still sent.
func (s *site) lag(key string, end func() error) time.Duration {
	s.t.Helper()
	var acknowledged, last atomic.Int64
	var probing sync.WaitGroup
	deadline := time.Now().Add(patience)
	began := make(chan struct{}, 64)
	for _, p := range s.probers() {
		probing.Go(func() {
			defer p.client.CloseIdleConnections()
			for first := true; ; first = false {
				sent := time.Now()
				status, err := get(s.t.Context(), p.client, p.base, key)
				if first {
					began <- struct{}{}
				}
				switch {
				case err != nil || sent.After(deadline):
					s.t.Errorf("a revoked session: %d, %v", status, err)
					return
				case status == http.StatusUnauthorized:
					if acknowledged.Load() == 0 {
						continue // rejected before the acknowledgement: fine
					}
					return
				case status == http.StatusServiceUnavailable && s.degraded:
					continue // the lookup was sent to the replica that was stopped
				case status != http.StatusOK:
					s.t.Errorf("a session that ends: %d", status)
					return
				}
				if at := acknowledged.Load(); at != 0 && sent.UnixNano() > at {
					for old := last.Load(); sent.UnixNano() > old && !last.CompareAndSwap(old, sent.UnixNano()); old = last.Load() {
					}
				}
			}
		})
	}
	for range s.probers() {
		<-began
	}
	if err := end(); err != nil {
		s.t.Error(err)
	}
	acknowledged.Store(time.Now().UnixNano())
	probing.Wait()
	if last.Load() == 0 {
		return 0
	}
	return time.Duration(last.Load() - acknowledged.Load())
}

// refusedInTheEnd waits until every Envoy responds with a status to a session.
func (s *site) refusedInTheEnd(key string, want int) {
	s.t.Helper()
	for _, p := range s.probers() {
		for end := time.Now().Add(patience); ; {
			status, err := get(s.t.Context(), p.client, p.base, key)
			if err != nil {
				s.t.Error(err)
			}
			if status == want {
				break
			}
			if time.Now().After(end) {
				s.t.Errorf("%s still returns %d after %s, want %d", p.base, status, patience, want)
				break
			}
		}
	}
}

// TestColdSession sends many requests at once for a session that is not cached, some of whose
// clients disconnect.
func TestColdSession(t *testing.T) {
	const clients, leavers = 1000, 200
	s := newSite(t, shape{
		envoys: 1, workers: 2, services: 1, url: "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3"), timeout: "15s", cache: map[string]any{"ttl": "1h"},
	})
	key := s.create(1)[0]
	lookups := func() uint64 {
		t.Helper()
		n, err := testenv.Metric(t.Context(), s.Ports[0], `cloakroom_requests_total{path="/v1/lookup",status="200"}`)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := lookups()
	if err := s.Replicas[0].Hang(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	leaving, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	var good, left atomic.Int64
	for i := range clients {
		ctx := t.Context()
		if i < leavers {
			ctx = leaving
		}
		asking.Go(func() {
			switch status, err := get(ctx, client, s.Bases[0], key); {
			case ctx == leaving && err != nil:
				left.Add(1)
			case err != nil || status != http.StatusOK:
				t.Errorf("got %d, %v", status, err)
			default:
				good.Add(1)
			}
		})
	}
	active := func(want uint64) {
		t.Helper()
		for end := time.Now().Add(patience); ; {
			n, err := s.Envoys[0].Stat(t.Context(), "http.http.downstream_rq_active")
			if err != nil {
				t.Fatal(err)
			}
			if n == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d requests are under way, want %d", n, want)
			}
		}
	}
	active(clients)
	leave()
	active(clients - leavers)
	if err := s.Replicas[0].Resume(); err != nil {
		t.Fatal(err)
	}
	asking.Wait()
	asked := lookups() - before
	if good.Load() != clients-leavers || left.Load() != leavers || asked > 2 || asked == 0 {
		t.Errorf("%d were served, %d left, %d lookups; want %d, %d, and 1 for each of 2 workers at most", good.Load(), left.Load(), asked, clients-leavers, leavers)
	}
	note(t, "cold", fmt.Sprintf("%d requests at once for one cold session on 2 workers, %d of whose clients disconnected: %d served, %d lookups", clients, leavers, good.Load(), asked))
}
