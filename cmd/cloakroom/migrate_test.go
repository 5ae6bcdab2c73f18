package main

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
)

// TestMigrate checks that the SQL is printed, and run once unless --dry-run is set.
func TestMigrate(t *testing.T) {
	url := djangos(t)
	dry := run(t, secrets(), "", "migrate", "--store", url, "--dry-run")
	if dry.status != 0 || !strings.Contains(dry.stdout, "CREATE TABLE cloakroom_note") || !strings.Contains(dry.stdout, ";\n") {
		t.Errorf("a dry run: %+v", dry)
	}
	for _, command := range [][]string{{"sessions", "list"}, {"clearsessions"}} {
		if got := run(t, secrets(), "", append(command, "--store", url)...); got.status != 0 {
			t.Errorf("%v: %+v", command, got)
		}
	}
	if again := run(t, secrets(), "", "migrate", "--store", url, "--dry-run"); again != dry {
		t.Errorf("another command migrated: %+v", again)
	}
	if got := run(t, secrets(), "", "migrate", "--store", url); got.status != 0 || got.stdout != dry.stdout || got.stderr != "" {
		t.Errorf("migrate: got %+v, want what the dry run printed", got)
	}
	if got := run(t, secrets(), "", "migrate", "--store", url); got != (result{}) {
		t.Errorf("again: %+v", got)
	}
	serveFor(t, url).end(t)
}

// TestServeMovesRevocations checks that revocations that earlier builds stored as sessions in
// files are moved before the service is ready.
func TestServeMovesRevocations(t *testing.T) {
	url := "file://" + t.TempDir()
	sessions := reopen(t, url)
	key := session.RevokedUser("7")
	old := session.Session{Key: key[len(key)-session.KeyLength:], Data: []byte(`{"_cloakroom_revoked":5}`), Expires: time.Now().Add(time.Hour)}
	if err := sessions.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	serveFor(t, url).end(t)
	if notes, err := sessions.Notes(t.Context(), key); err != nil || notes[0].Number != 5 {
		t.Errorf("got %+v, %v", notes, err)
	}
	if _, err := sessions.Load(t.Context(), old.Key); err == nil {
		t.Error("it is still a session")
	}
}

// TestRevokeUserOpaque checks that a session that cannot be read makes the command fail, and can
// be revoked by its ID.
func TestRevokeUserOpaque(t *testing.T) {
	dir := t.TempDir()
	url := "file://" + dir
	sessions := reopen(t, url)
	mine := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}
	if err := sessions.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	signer, err := django.NewSigner(django.SessionSalt, "secret")
	if err != nil {
		t.Fatal(err)
	}
	deep := `{"_auth_user_id":` + strings.Repeat(`[`, 150) + strings.Repeat(`]`, 150) + `}`
	text, err := signer.Sign(base64.RawURLEncoding.EncodeToString([]byte(deep)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key := sessiontest.Key(t)
	if err := os.WriteFile(dir+"/sessionid"+key, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	revoke := func(args ...string) result {
		return run(t, secrets(), "", append([]string{"sessions", "revoke", "--store", url}, args...)...)
	}
	if got := revoke("--user", "7"); got.status != 1 || got.stdout != "revoked 1 session\n" || !strings.Contains(got.stderr, session.ID(key)) {
		t.Errorf("revoke --user: %+v", got)
	}
	if got := revoke(session.ID(key)); got.status != 0 {
		t.Errorf("revoke ID: %+v", got)
	}
	if got := revoke("--user", "7"); got.status != 0 || got.stdout != "revoked 0 sessions\n" {
		t.Errorf("again: %+v", got)
	}
}
