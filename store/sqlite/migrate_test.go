package sqlite_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/sqlite"
)

// djangos creates a file with the table of Django's migration only, and sessions in it.
func djangos(t *testing.T, data ...string) (file string, keys []string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "db.sqlite3")
	rows(t, file, `CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL)`)
	for _, d := range data {
		key := sessiontest.Key(t)
		insert(t, file, key, d)
		keys = append(keys, key)
	}
	return file, keys
}

// insert stores a session as Django would, whatever the data is.
func insert(t *testing.T, file, key, data string) {
	t.Helper()
	signer, err := django.NewSigner(django.SessionSalt, "secret")
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(base64.RawURLEncoding.EncodeToString([]byte(data)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	rows(t, file, `INSERT INTO django_session VALUES ('`+key+`', '`+text+`', '2099-01-01 00:00:00')`)
}

func existing(t *testing.T, file string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	o.Codec, o.Now = codec(t, "secret"), time.Now
	s, err := sqlite.Open(t.Context(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func pending(t *testing.T, s *sqlite.Store) []string {
	t.Helper()
	due, err := s.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return due
}

// TestMigrate checks that Migrate is due once, can run concurrently, and that existing sessions
// are indexed.
func TestMigrate(t *testing.T) {
	var data []string
	for range 300 {
		data = append(data, `{"_auth_user_id":"7"}`)
	}
	file, keys := djangos(t, append(data, `{"_auth_user_id":"8"}`, `{"_cloakroom_revoked":1800000000}`)...)
	rows(t, file, `CREATE TABLE cloakroom_session_user (session_key varchar(40))`) // an earlier build's
	s := existing(t, file, sqlite.Options{})
	due := strings.Join(pending(t, s), ";\n")
	for _, part := range []string{"CREATE TABLE cloakroom_note", "CREATE TRIGGER", "DROP TABLE cloakroom_session_user", "INSERT INTO cloakroom_session_index"} {
		if !strings.Contains(due, part) {
			t.Errorf("due is %s, without %s", due, part)
		}
	}
	if tables := rows(t, file, `SELECT name FROM sqlite_schema WHERE name LIKE 'cloakroom%' OR name LIKE '%wal'`); !slices.Equal(tables, []string{"cloakroom_session_user"}) {
		t.Errorf("to open and to look changed the database: %v", tables)
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := existing(t, file, sqlite.Options{}).Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if due := pending(t, s); len(due) != 0 {
		t.Errorf("still due: %v", due)
	}
	for {
		n, err := s.IndexUsers(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if n < 100 {
			break
		}
	}
	got, opaque, err := s.UserKeys(t.Context(), "7")
	slices.Sort(got)
	slices.Sort(keys[:300])
	if err != nil || len(opaque) != 0 || !slices.Equal(got, keys[:300]) {
		t.Errorf("got %d sessions of the user, %d opaque, %v; want 300", len(got), len(opaque), err)
	}
	if _, err := s.Load(t.Context(), keys[301]); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an earlier build's revocation is still a session: %v", err)
	}
}

// TestOpaque checks that unreadable sessions are reported where all of a user's sessions are
// ended.
func TestOpaque(t *testing.T) {
	deep := `{"_auth_user_id":` + strings.Repeat(`[`, 150) + strings.Repeat(`]`, 150) + `}`
	large := `{"_auth_user_id":"7","a":"` + strings.Repeat("x", 9_000_000) + `"}`
	file, keys := djangos(t, deep, large, `{"_auth_user_id":"7"}`, `{"_auth_user_id":"8"}`, `["no", "object"]`)
	s := existing(t, file, sqlite.Options{})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows(t, file, `UPDATE django_session SET session_data = 'signed by nobody' WHERE session_key = '`+keys[3]+`'`)
	for _, when := range []string{"before it is indexed", "when it is indexed"} {
		_, opaque, err := s.UserKeys(t.Context(), "7")
		slices.Sort(opaque)
		want := slices.Sorted(slices.Values([]string{keys[0], keys[1], keys[4]}))
		if err != nil || !slices.Equal(opaque, want) {
			t.Errorf("%s: got %v, %v; want %v", when, opaque, err, want)
		}
		if _, err := s.IndexUsers(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
	}
	flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete)
	if !errors.Is(err, session.ErrNotEnded) || !slices.Equal(flushed, keys[2:3]) {
		t.Fatalf("flushed %v, %v", flushed, err)
	}
	for _, key := range []string{keys[0], keys[1], keys[4]} {
		if !strings.Contains(err.Error(), session.ID(key)) || strings.Contains(err.Error(), key) {
			t.Errorf("the error must name a session by its ID only: %v", err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	// Only a value under another key is nested too deep, which an earlier build could not read.
	readable := `{"_auth_user_id":"7","a":` + strings.Repeat(`[`, 150) + strings.Repeat(`]`, 150) + `}`
	insert(t, file, sessiontest.Key(t), readable)
	indexed := sessiontest.Key(t)
	insert(t, file, indexed, readable)
	rows(t, file, `UPDATE cloakroom_session_index SET state = 2 WHERE session_key = '`+indexed+`'`)
	if flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || len(flushed) != 2 {
		t.Errorf("after they were ended: flushed %v, %v", flushed, err)
	}
}

// TestReadOnly checks that reading needs no write access, and does not change the file.
func TestReadOnly(t *testing.T) {
	file, keys := djangos(t, `{"a":1}`)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := existing(t, file, sqlite.Options{ReadOnly: true})
	if v, err := s.Load(t.Context(), keys[0]); err != nil || string(v.Data) != `{"a":1}` {
		t.Errorf("got %s, %v", v.Data, err)
	}
	if err := s.Delete(t.Context(), keys[0]); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a write: %v", err)
	}
	if err := s.Migrate(t.Context()); err == nil {
		t.Error("it was migrated")
	}
	s.Close()
	after, err := os.ReadFile(file)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file was changed, %v", err)
	}
	if names, err := filepath.Glob(file + "*"); err != nil || len(names) != 1 {
		t.Errorf("left %v, %v", names, err)
	}
}
