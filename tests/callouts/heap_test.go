package callouts

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// slowClock simulates an overloaded machine: time passes with each call.
type slowClock struct {
	*hostsim.VirtualClock
	looks atomic.Int64
}

func (c *slowClock) Now() time.Time {
	return c.VirtualClock.Now().Add(time.Duration(c.looks.Add(1)) * 20 * time.Millisecond)
}

// TestHeapOnABusyMachine allocates more garbage than a VM's memory limit, three times each large
// response, while collections seem to take most of the time.
func TestHeapOnABusyMachine(t *testing.T) {
	const requests, kilobytes = 450, 1000
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	answer := fmt.Sprintf(`{"state":"live","expires":%d,"data":{"_auth_user_id":"1","_":"%s"}}`, time.Now().Add(1000*time.Hour).Unix(), strings.Repeat("x", kilobytes<<10))
	clock := &slowClock{VirtualClock: hostsim.NewVirtualClock(time.Now())}
	h, err := hostsim.New(t.Context(), hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"engine":{"service":{"cluster":"sessions","token":"` + token + `","timeout":"30s","cache":{"ttl":"1h","entries":1}}}}`)}},
		Routes:  []hostsim.Route{{Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{
			"app": hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-User-Id")) })),
			"sessions": hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/feed" {
					http.Error(w, "there is no feed", http.StatusServiceUnavailable)
					return
				}
				fmt.Fprint(w, answer)
			})),
		},
		LogLevel: hostsim.Error, Clock: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	ticking, stop := context.WithCancel(t.Context())
	var ticks sync.WaitGroup
	ticks.Go(func() {
		for ticking.Err() == nil {
			clock.Advance(100 * time.Millisecond)
			time.Sleep(20 * time.Millisecond)
		}
	})
	defer ticks.Wait()
	defer stop()
	patient, cancel := context.WithTimeout(t.Context(), time.Minute) // a wait for a VM that has failed would not end
	defer cancel()
	for i := range requests {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(patient, "GET", "/", nil)
		r.Header.Set("Cookie", fmt.Sprintf("sessionid=abcdefghijklmnopqrstuvwx%08d", i))
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != "1" {
			t.Fatalf("request %d of %d: %d %q, want 200", i, requests, w.Code, w.Body)
		}
	}
}
