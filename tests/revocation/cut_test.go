package revocation

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"cloakroom/filter/worker"
	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

// TestFeedCut cuts only the feed, in hostsim, whose clock it moves: a session that ends then is
// admitted for worker.MaxFeedSilence at most after the last feed response, and entries cached
// before are not used after the feed is back.
func TestFeedCut(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Now())
	sessions := memory.New(clock.Now)
	events := feed.New()
	handler, err := service.New(service.Config{Store: sessions, Feed: events, Token: token, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	begun, ended := make(chan struct{}, 1000), make(chan struct{}, 1000) // requests for the feed
	h, err := hostsim.New(t.Context(), hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"engine":{"service":{"cluster":"sessions","token":"` + token + `","cache":{"ttl":"24h"}}}}`)}},
		Routes:  []hostsim.Route{{Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{
			"app": hostsim.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
			"sessions": hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/feed" {
					handler.ServeHTTP(w, r)
					return
				}
				begun <- struct{}{}
				handler.ServeHTTP(w, r)
				ended <- struct{}{}
			})),
		},
		LogLevel: hostsim.Error, Clock: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	key := sessiontest.Key(t)
	if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"1"}`), Expires: clock.Now().Add(24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	get := func() int {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "sessionid="+key)
		r.Header.Set("Sec-Fetch-Mode", "cors")
		h.ServeHTTP(w, r)
		return w.Code
	}
	await := func(c chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatalf("the feed: nothing in %s", patience)
		}
	}
	clock.Advance(200 * time.Millisecond) // ticks: the worker acquires the lease, and polls the feed
	await(ended)
	await(begun)
	await(begun) // the first response has arrived, and the next poll is in flight
	for range 3 {
		if status := get(); status != 200 {
			t.Fatalf("a live session: %d", status)
		}
	}

	if err := h.SetFaults(hostsim.Faults{Faults: []hostsim.Fault{{On: "callout", Path: "/v1/feed", Do: "refuse"}}}); err != nil {
		t.Fatal(err)
	}
	await(ended) // the poll in flight: the last response
	if err := sessions.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := events.Publish(t.Context(), session.SessionEvent(key)); err != nil {
		t.Fatal(err)
	}
	const step = 50 * time.Millisecond
	admitted := time.Duration(0)
	for ; get() == 200; admitted += step {
		clock.Advance(step)
		if admitted > time.Minute {
			t.Fatal("a session that has ended is admitted for a minute")
		}
	}
	if admitted < step || admitted > worker.MaxFeedSilence {
		t.Errorf("admitted for %s after the feed was cut, want up to %s", admitted, worker.MaxFeedSilence)
	}
	t.Logf("admitted for %s after the feed was cut", admitted)

	if err := h.SetFaults(hostsim.Faults{}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); len(ended) == 0; time.Sleep(time.Millisecond) { // a tick later, once the last failure has been handled
		clock.Advance(100 * time.Millisecond)
		if time.Now().After(end) {
			t.Fatal("the feed is not polled again")
		}
	}
	if status := get(); status != http.StatusUnauthorized {
		t.Errorf("with the feed back: %d, want 401", status)
	}
}
