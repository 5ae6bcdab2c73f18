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

// TestUnsent checks that requests that wait for a batch that cannot be sent are rejected, and that
// the request in whose callback that happens is not taken for another.
func TestUnsent(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, "")
	var answers [visitors]*httptest.ResponseRecorder
	var coming sync.WaitGroup
	for i := range visitors - 1 {
		answers[i] = s.come(t.Context(), &coming, i)
	}
	s.clock.Advance(10 * time.Millisecond) // the callout in flight is overdue: the next one overlaps it
	if err := s.host.SetFaults(hostsim.Faults{Faults: []hostsim.Fault{{On: "proxy_http_call", Do: "internal_failure"}}}); err != nil {
		t.Fatal(err)
	}
	answers[visitors-1] = s.come(t.Context(), &coming, visitors-1)
	if err := s.host.SetFaults(hostsim.Faults{}); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(100 * time.Millisecond)
	close(s.open)
	coming.Wait()
	refused := 0
	for i, w := range answers {
		switch {
		case w.Code == http.StatusServiceUnavailable:
			refused++
		case w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), fmt.Sprint(i, "{")):
			t.Errorf("visitor %d: got %d %s", i, w.Code, w.Body)
		}
	}
	if refused != 32 {
		t.Errorf("%d are refused, want the 32 of one batch", refused)
	}
}
