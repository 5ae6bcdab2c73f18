package main

import (
	"slices"
	"strings"
	"testing"

	"cloakroom/session"
)

// TestUsersChanged holds that the filters get an event for each user, and the audit log a line.
func TestUsersChanged(t *testing.T) {
	url := database(t)
	s := serveFor(t, url)
	defer s.end(t)
	before := s.feed(t, "")
	got := run(t, secrets(), "", "users", "changed", "7", "8", "--store", url, "--service", "http://"+s.address)
	if got.status != 0 || got.stdout != "reported 2 users\n" || strings.Count(got.stderr, `"event":"user_updated"`) != 2 {
		t.Errorf("got %+v", got)
	}
	if page := s.feed(t, before.Cursor); page.Gap || !slices.Equal(page.Events, []string{session.UserEvent("7"), session.UserEvent("8")}) {
		t.Errorf("the feed has %+v", page)
	}
	for name, tt := range map[string]struct {
		args   string
		status int
		stderr string
	}{
		"no user":              {"--service http://" + s.address, 2, "expected \"<id> ...\""},
		"an empty user":        {"--audit off --service http://" + s.address + " --", 1, "400"},
		"no service there":     {"7 --service http://127.0.0.1:1", 1, "filters may still have it cached"},
		"no URL":               {"7 --service localhost", 2, "is no URL"},
		"a store with no feed": {"7 --audit off", 0, "this store has no feed"},
	} {
		args := append([]string{"users", "changed", "--store", url}, strings.Fields(tt.args)...)
		if name == "an empty user" {
			args = append(args, "")
		}
		if got := run(t, secrets(), "", args...); got.status != tt.status || !strings.Contains(got.stderr, tt.stderr) {
			t.Errorf("%s: got %+v, want status %d and %q", name, got, tt.status, tt.stderr)
		}
	}
}
