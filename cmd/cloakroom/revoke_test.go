package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
)

// TestRevokeSigned checks that sessions that are in cookies can be revoked without storing one.
func TestRevokeSigned(t *testing.T) {
	codec, err := django.NewCookieCodec(1<<20, "secret")
	if err != nil {
		t.Fatal(err)
	}
	cookie := func(data string, at time.Time) string {
		t.Helper()
		value, err := codec.Encode([]byte(data), at)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	now := time.Now()
	plain := cookie(`{"_auth_user_id":"7"}`, now.Add(-time.Minute))
	marked := cookie(`{"_cloakroom_signed":"`+strings.Repeat("a", 32)+` 5 7"}`, now.Add(-time.Minute))
	old := cookie(`{"_auth_user_id":"7"}`, now.Add(-2*time.Hour))
	url := database(t)
	revoke := func(stdin string, args ...string) result {
		return run(t, secrets(), stdin, append([]string{"sessions", "revoke", "--store", url}, args...)...)
	}
	for _, tt := range []struct {
		name, stdin, args string
		status            int
		stdout            string
		key               string // under which it is stored
	}{
		{"a cookie", plain + "\n", "--signed-age 1h -", 0, "revoked " + session.SignedID(plain) + "\n", session.RevokedSession(session.SignedID(plain))},
		{"a marked cookie", marked, "--signed-age 1h -", 0, "revoked " + strings.Repeat("a", 32) + "\n", session.RevokedSession(strings.Repeat("a", 32))},
		{"a user", "", "--signed-age 1h --user 42", 0, "revoked 0 sessions, and those in cookies\n", session.RevokedUser("42")},
		{"a user's old ones", "", "--signed-age 1h --user 43 --before 2026-01-02T03:04:05Z", 0, "revoked 0 sessions, and those in cookies\n", session.RevokedUser("43")},
		{"too old", old, "--signed-age 1h -", 1, "", ""},
		{"forged", plain + "x", "--signed-age 1h -", 1, "", ""},
		{"no cookie", "", "--signed-age 1h 0123456789abcdef", 2, "", ""},
		{"no age", "", "--signed-age -1h --user 42", 2, "", ""},
		{"before what", "", "--before 2026-01-02T03:04:05Z --user 42", 2, "", ""},
		{"before a time to come", "", "--signed-age 1h --user 42 --before 2999-01-02T03:04:05Z", 2, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := revoke(tt.stdin, strings.Fields(tt.args)...)
			if got.status != tt.status || got.stdout != tt.stdout {
				t.Fatalf("got %+v, want status %d and %q", got, tt.status, tt.stdout)
			}
			if tt.key == "" {
				return
			}
			if notes, err := reopen(t, url).Notes(t.Context(), tt.key); err != nil || notes[0].Expires.Before(now.Add(time.Hour-time.Second)) {
				t.Errorf("stored: %+v, %v", notes, err)
			}
		})
	}
	if list := run(t, secrets(), "", "sessions", "list", "--store", url); strings.Count(list.stdout, "\n") != 1 {
		t.Errorf("revocations are listed as sessions: %s", list.stdout)
	}
}

// TestRevokeTellsTheService checks that filters get events of what the command line ends if only
// the running service can publish them.
func TestRevokeTellsTheService(t *testing.T) {
	codec, err := django.NewCookieCodec(1<<20, "secret")
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := codec.Encode([]byte(`{"_auth_user_id":"7"}`), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stored := session.Session{Key: sessiontest.Key(t), Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
	url := database(t, stored)
	s := serveFor(t, url)
	defer s.end(t)
	for _, tt := range []struct{ name, stdin, args, event string }{
		{"a session", stored.Key, "-", session.SessionEvent(stored.Key)},
		{"a user", "", "--user 7", session.UserEvent("7")},
		{"a user's cookies", "", "--user 8 --signed-age 1h --before 2026-01-02T03:04:05Z", session.UserEvent("8")},
		{"a cookie", cookie, "--signed-age 1h -", session.SessionEvent(session.SignedID(cookie))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.feed(t, "")
			args := append([]string{"sessions", "revoke", "--store", url, "--audit", "off", "--service", "http://" + s.address + "/"}, strings.Fields(tt.args)...)
			if got := run(t, secrets(), tt.stdin, args...); got.status != 0 || got.stderr != "" {
				t.Fatalf("got %+v", got)
			}
			if got := s.feed(t, before.Cursor); got.Gap || !slices.Equal(got.Events, []string{tt.event}) {
				t.Errorf("the feed says %+v, want the event %q alone", got, tt.event)
			}
		})
	}
	for name, service := range map[string]string{"another path": "http://" + s.address + "/elsewhere", "nobody": "http://127.0.0.1:1"} {
		got := run(t, secrets(), "", "sessions", "revoke", "--store", url, "--service", service, "--user", "7")
		if got.status != 1 || !strings.Contains(got.stderr, "filters may still have it cached") {
			t.Errorf("%s: got %+v, want an error that names what was done and what was not", name, got)
		}
	}
}

type feedPage struct {
	Cursor string
	Gap    bool
	Events []string
}

// feed reads the events after a cursor.
func (s *served) feed(t *testing.T, after string) (page feedPage) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.address+"/v1/feed", strings.NewReader(`{"after":"`+after+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer token")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/v1/feed responded with %s: %v", response.Status, err)
	}
	return page
}
