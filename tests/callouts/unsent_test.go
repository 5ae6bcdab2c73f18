package callouts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
)

// TestUnsent holds that whoever waits for a batch that cannot be sent is refused, and
// that the one whose request meets with it is not taken for another.
func TestUnsent(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, "")
	var statuses [visitors]int
	var bodies [visitors]string
	var coming sync.WaitGroup
	come := func(i int) {
		coming.Go(func() {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", "sessionid="+s.keys[i])
			r.Header.Set("Sec-Fetch-Mode", "cors")
			s.host.ServeHTTP(w, r)
			statuses[i], bodies[i] = w.Code, w.Body.String()
		})
		<-s.paused
	}
	for i := range visitors - 1 {
		come(i)
	}
	s.clock.Advance(10 * time.Millisecond) // the callout under way takes long: the next goes beside it
	if err := s.host.SetFaults(hostsim.Faults{Faults: []hostsim.Fault{{On: "proxy_http_call", Do: "internal_failure"}}}); err != nil {
		t.Fatal(err)
	}
	come(visitors - 1)
	if err := s.host.SetFaults(hostsim.Faults{}); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(100 * time.Millisecond)
	close(s.open)
	coming.Wait()
	refused := 0
	for i := range visitors {
		switch {
		case statuses[i] == http.StatusServiceUnavailable:
			refused++
		case statuses[i] != http.StatusOK || !strings.HasPrefix(bodies[i], fmt.Sprint(i, "{")):
			t.Errorf("visitor %d: got %d %s", i, statuses[i], bodies[i])
		}
	}
	if refused != 32 {
		t.Errorf("%d are refused, want the 32 of one batch", refused)
	}
}
