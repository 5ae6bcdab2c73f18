package postgres_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/postgres"
)

const djangoTable = `CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" timestamp with time zone NOT NULL)`

// insert stores a session as Django would, whatever the data is.
func insert(t *testing.T, url, data string) (key string) {
	t.Helper()
	signer, err := django.NewSigner(django.SessionSalt, "secret")
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(base64.RawURLEncoding.EncodeToString([]byte(data)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key = sessiontest.Key(t)
	exec(t, connect(t, url), `INSERT INTO django_session VALUES ($1, $2, now() + interval '1 hour')`, key, text)
	return key
}

func existing(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Codec: codec(t, "secret"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func pending(t *testing.T, s *postgres.Store) []string {
	t.Helper()
	due, err := s.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return due
}

func indexAll(t *testing.T, s *postgres.Store) {
	t.Helper()
	for {
		n, err := s.IndexUsers(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if n < 100 {
			return
		}
	}
}

// TestMigrate checks, in a tenant's schema, that Migrate is due once, can run concurrently, and
// that existing sessions are indexed.
func TestMigrate(t *testing.T) {
	url := database(t)
	exec(t, connect(t, url), `CREATE SCHEMA "a tenant"; CREATE TABLE public.unrelated (id int)`)
	if _, err := postgres.Open(t.Context(), url, postgres.Options{Now: time.Now}); !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "search_path") {
		t.Errorf("no table: %v", err)
	}
	url += "?search_path=" + strings.ReplaceAll(`"a tenant"`, " ", "%20")
	conn := connect(t, url)
	exec(t, conn, djangoTable)
	exec(t, conn, `CREATE TABLE cloakroom_session_user (session_key varchar(40))`) // an earlier build's
	exec(t, conn, `INSERT INTO django_session SELECT 'bulk' || n, 'unsigned', now() FROM generate_series(1, 25000) n`)
	var keys []string
	for range 30 {
		keys = append(keys, insert(t, url, `{"_auth_user_id":"7"}`))
	}
	revocation := insert(t, url, `{"_cloakroom_revoked":1800000000}`)
	s := existing(t, url)
	due := strings.Join(pending(t, s), ";\n")
	for _, part := range []string{`CREATE TABLE "a tenant".cloakroom_note`, "CREATE TRIGGER", `DROP TABLE "a tenant".cloakroom_session_user`, "INSERT INTO cloakroom_session_index"} {
		if !strings.Contains(due, part) {
			t.Errorf("due is %s, without %s", due, part)
		}
	}
	var all sync.WaitGroup
	for range 3 {
		another := existing(t, url)
		all.Go(func() {
			if err := another.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if due := pending(t, s); len(due) != 0 {
		t.Errorf("still due: %v", due)
	}
	indexAll(t, s)
	got, opaque, err := s.UserKeys(t.Context(), "7")
	slices.Sort(got)
	slices.Sort(keys)
	if err != nil || len(opaque) != 0 || !slices.Equal(got, keys) {
		t.Errorf("got %d sessions of the user, %d opaque, %v; want %d", len(got), len(opaque), err, len(keys))
	}
	if _, err := s.Load(t.Context(), revocation); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an earlier build's revocation is still a session: %v", err)
	}
	exec(t, conn, `TRUNCATE django_session`)
	if got, opaque, err := s.UserKeys(t.Context(), "7"); err != nil || len(got)+len(opaque) > 0 {
		t.Errorf("after TRUNCATE: %v, %v, %v", got, opaque, err)
	}
}

// TestOpaque checks that unreadable sessions are reported where all of a user's sessions are
// ended.
func TestOpaque(t *testing.T) {
	url := database(t)
	s := open(t, url, codec(t, "secret"), time.Now)
	want := []string{
		insert(t, url, `{"_auth_user_id":`+strings.Repeat(`[`, 150)+strings.Repeat(`]`, 150)+`}`),
		insert(t, url, `{"_auth_user_id":"7","a":"`+strings.Repeat("x", 9_000_000)+`"}`),
	}
	slices.Sort(want)
	readable := insert(t, url, `{"_auth_user_id":"7"}`)
	for _, when := range []string{"before it is indexed", "when it is indexed"} {
		_, opaque, err := s.UserKeys(t.Context(), "7")
		slices.Sort(opaque)
		if err != nil || !slices.Equal(opaque, want) {
			t.Errorf("%s: got %v, %v; want %v", when, opaque, err, want)
		}
		indexAll(t, s)
	}
	flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete)
	if !errors.Is(err, session.ErrNotEnded) || !slices.Equal(flushed, []string{readable}) {
		t.Fatalf("flushed %v, %v", flushed, err)
	}
	for _, key := range want {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	insert(t, url, `{"_auth_user_id":"7","a":`+strings.Repeat(`[`, 150)+strings.Repeat(`]`, 150)+`}`)
	if flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || len(flushed) != 1 {
		t.Errorf("after they were ended: flushed %v, %v", flushed, err)
	}
}

// TestPrivileges checks which privileges the service's role needs, and that Django's role needs
// none on Cloakroom's own tables.
func TestPrivileges(t *testing.T) {
	url := database(t)
	owner := open(t, url, codec(t, "secret"), time.Now)
	conn := connect(t, url)
	exec(t, conn, `DROP ROLE IF EXISTS serving; CREATE ROLE serving LOGIN PASSWORD 'x'; DROP ROLE IF EXISTS djangos; CREATE ROLE djangos LOGIN PASSWORD 'x'`)
	exec(t, conn, `GRANT SELECT, INSERT, UPDATE, DELETE ON django_session TO serving, djangos`)
	as := func(role string) string { return strings.Replace(url, "postgres:pass%20word%2F%3F%23@", role+":x@", 1) }
	serving := existing(t, as("serving"))
	if err := serving.SetNote(t.Context(), "x", session.Note{Expires: time.Now().Add(time.Hour)}); !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "GRANT") {
		t.Errorf("without rights: %v", err)
	}
	exec(t, conn, `GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom_feed, cloakroom_note, cloakroom_session_index TO serving`)
	key := insert(t, as("djangos"), `{"cart":1}`)
	indexAll(t, serving)
	exec(t, connect(t, as("djangos")), `UPDATE django_session SET session_data = (SELECT session_data FROM django_session WHERE session_key = $2) WHERE session_key = $1`,
		key, insert(t, as("djangos"), `{"_auth_user_id":"7"}`))
	if flushed, err := session.FlushUser(t.Context(), serving, "7", serving.Delete); err != nil || len(flushed) != 2 || !slices.Contains(flushed, key) {
		t.Errorf("flushed %v, %v", flushed, err)
	}
	if err := serving.SetNote(t.Context(), "x", session.Note{Number: 3, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Error(err)
	}
	if notes, err := owner.Notes(t.Context(), "x"); err != nil || notes[0].Number != 3 {
		t.Errorf("got %v, %v", notes, err)
	}
	feed, err := serving.Feed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if err := feed.Publish(t.Context(), session.UserEvent("7")); err != nil {
		t.Error(err)
	}
}
