package accounts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cloakroom/session"
)

// TestDjangosLogins holds that the receivers of docs/operations.md log Django's own logins, with the
// hash that the audit log has, and neither a key nor what was typed.
func TestDjangosLogins(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "audit.log")
	p := project(t, filepath.Join(dir, "project"), "CLOAKROOM_DEMO_DATABASE="+filepath.Join(dir, "db.sqlite3"), "CLOAKROOM_SECRET_KEY="+secretKey,
		"CLOAKROOM_SERVICE=http://127.0.0.1:1", "CLOAKROOM_TOKEN="+token)
	if _, err := p.Manage(t.Context(), "migrate", "--verbosity", "0"); err != nil {
		t.Fatal(err)
	}
	django := drive(t, p)
	django.run(`import logging; logging.basicConfig(filename=` + "r'" + out + "'" + `, level=logging.INFO, format="%(message)s", force=True)`)
	django.run(`User.objects.create_user("alice", "alice@example.com", "cloakroom")`)
	django.run(`from django.conf import settings; settings.ALLOWED_HOSTS = ["*"]; from django.test import Client; c = Client()`)
	django.run(`r = c.post("/login/", {"username": "alice", "password": "a wrong password"}, headers={"X-Request-Id": "wrong"}); assert r.status_code == 200, r`)
	django.run(`r = c.post("/login/", {"username": "alice", "password": "cloakroom"}, headers={"X-Request-Id": "right"}); assert r.status_code == 302, r`)
	django.run(`open(r'` + out + `.key', "w").write(c.cookies["sessionid"].value)`)
	django.run(`r = c.post("/django-logout/"); assert r.status_code == 302, r`)
	key, err := os.ReadFile(out + ".key")
	if err != nil || !session.ValidKey(string(key)) {
		t.Fatalf("the key is %q, %v", key, err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	id := session.ID(string(key))
	got := strings.Join(regexp.MustCompile(`(?m)^\{"event".*$`).FindAllString(string(text), -1), "\n")
	want := strings.Join([]string{
		`{"event": "authn_login_fail", "request_id": "wrong"}`,
		`{"event": "authn_login_success", "user": "1", "session": "` + id + `", "request_id": "right"}`,
		`{"event": "session_expired", "reason": "logout", "user": "1", "session": "` + id + `"}`,
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, secret := range []string{string(key), "a wrong password", "alice@"} {
		if strings.Contains(got, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
