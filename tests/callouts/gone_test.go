package callouts

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestGone holds that the answers for clients that went away reach nobody else, though
// what the filter had for them serves those who came after.
func TestGone(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, "")
	ctx, leave := context.WithCancel(t.Context())
	var gone, coming sync.WaitGroup
	for i := range visitors / 2 {
		s.come(ctx, &gone, i)
	}
	leave()
	gone.Wait()
	var answers [visitors]*httptest.ResponseRecorder
	for i := visitors / 2; i < visitors; i++ {
		answers[i] = s.come(t.Context(), &coming, i)
	}
	close(s.open)
	coming.Wait()
	for i := visitors / 2; i < visitors; i++ {
		if w := answers[i]; w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), fmt.Sprint(i, "{")) {
			t.Errorf("visitor %d: got %d %s", i, w.Code, w.Body)
		}
	}
}

// TestGoneWithACache has visitors go away while their look-ups wait to be sent, others come, whose
// requests are served by the same memory, and the first come again, who wait for these look-ups.
func TestGoneWithACache(t *testing.T) {
	s := newSiteOf(t, func(h http.Handler) http.Handler { return h }, named, `,"cache":{"ttl":"1m"}`, "")
	ctx, leave := context.WithCancel(t.Context())
	var gone, coming sync.WaitGroup
	for i := range visitors / 2 {
		s.come(ctx, &gone, i)
	}
	leave()
	gone.Wait()
	var answers [visitors]*httptest.ResponseRecorder
	for i := range visitors {
		visitor := (i + visitors/2) % visitors
		answers[visitor] = s.come(t.Context(), &coming, visitor)
	}
	close(s.open)
	coming.Wait()
	for i, w := range answers {
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), fmt.Sprint(i, "{")) {
			t.Errorf("visitor %d: got %d %s", i, w.Code, w.Body)
		}
	}
}
