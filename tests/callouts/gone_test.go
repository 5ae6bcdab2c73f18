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

// TestGone checks that the responses for clients that have disconnected reach no other client,
// though their cached results serve later ones.
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

// TestGoneWithACache checks that clients may disconnect while their lookups wait to be sent, other
// requests reuse the same memory, and the first clients come again and wait for these lookups.
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
