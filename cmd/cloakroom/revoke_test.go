package main

import (
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

// TestRevokeSigned holds that sessions that are in cookies can be revoked without one
// being stored.
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
			if v, err := reopen(t, url).Load(t.Context(), tt.key); err != nil || !session.IsRevocation(v.Data) || v.Expires.Before(now.Add(time.Hour-time.Second)) {
				t.Errorf("stored: %s until %s, %v", v.Data, v.Expires, err)
			}
		})
	}
	if list := run(t, secrets(), "", "sessions", "list", "--store", url); strings.Count(list.stdout, "\n") != 1 {
		t.Errorf("revocations are listed as sessions: %s", list.stdout)
	}
}
