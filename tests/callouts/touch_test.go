package callouts

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestTouchOnce checks that a session that is due is touched once, however many requests carry it,
// and that none of them waits for it.
func TestTouchOnce(t *testing.T) {
	s := newSite(t, func(h http.Handler) http.Handler { return h }, named, `,"expiry":{"save_every_request":true}`)
	for i := range s.keys[2:] {
		s.keys[2+i] = s.keys[i%2] // the requests carry two sessions
	}
	statuses, _ := s.visit()
	if slices.ContainsFunc(statuses[:], func(status int) bool { return status != http.StatusOK }) {
		t.Fatalf("the responses are %v, want 200 each", statuses)
	}
	calls := func() (paths, bodies []string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(s.paths), slices.Clone(s.bodies)
	}
	if paths, _ := calls(); slices.Contains(paths, "/v1/touch") {
		t.Errorf("the calls before a tick are %v, want no touch", paths)
	}
	before, _ := calls()
	s.clock.Advance(100 * time.Millisecond)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if paths, _ := calls(); len(paths) > len(before) {
			break
		}
	}
	s.clock.Advance(100 * time.Millisecond)
	paths, bodies := calls()
	paths, bodies = paths[len(before):], bodies[len(before):]
	if !slices.Equal(paths, []string{"/v1/batch"}) {
		t.Fatalf("the calls of the ticks are %v, want one batch", paths)
	}
	first, second := "/v1/touch {\"key\":\""+s.keys[0]+"\",\"age\":1209600}\n", "/v1/touch {\"key\":\""+s.keys[1]+"\",\"age\":1209600}\n"
	if bodies[0] != first+second && bodies[0] != second+first {
		t.Errorf("the batch is %q, want one touch for each of two sessions", bodies[0])
	}
}
