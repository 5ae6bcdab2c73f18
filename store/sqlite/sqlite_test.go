package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/sqlite"
)

func codec(t *testing.T, secret string, fallbacks ...string) *django.Codec {
	t.Helper()
	c, err := django.NewCodec(secret, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, file string, c *django.Codec, now func() time.Time) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{Codec: c, Create: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Store {
		return open(t, filepath.Join(t.TempDir(), "a b%?#.sqlite3"), codec(t, "secret"), now)
	})
}

// rows reads the table as another program would.
func rows(t *testing.T, file, query string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	var all []string
	for result.Next() {
		var text string
		if err := result.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDatesAreDjangos(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	s := open(t, file, codec(t, "secret"), time.Now)
	zone := time.FixedZone("", 2*60*60)
	for key, at := range map[string]time.Time{
		"whole":    time.Date(2099, 1, 2, 3, 4, 5, 999, zone),
		"fraction": time.Date(2099, 1, 2, 3, 4, 5, 120000999, zone),
	} {
		if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{}`), Expires: at}); err != nil {
			t.Fatal(err)
		}
	}
	got := rows(t, file, "SELECT session_key || ' ' || expire_date FROM django_session ORDER BY session_key")
	want := "fraction 2099-01-02 01:04:05.120000|whole 2099-01-02 01:04:05"
	if strings.Join(got, "|") != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUnreadableRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	ours := open(t, file, codec(t, "new", "old"), time.Now)
	keys := map[string]error{}
	create := func(s *sqlite.Store, want error) string {
		key := sessiontest.Key(t)
		if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		keys[key] = want
		return key
	}
	create(ours, nil)
	create(open(t, file, codec(t, "old"), time.Now), nil)
	create(open(t, file, codec(t, "foreign"), time.Now), session.ErrUnreadable)
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for column, broken := range map[string]struct {
		value string
		want  error
	}{
		"session_data": {strings.Repeat("x", 10<<20), session.ErrTooLarge},
		"expire_date":  {"soon", session.ErrUnreadable},
	} {
		key := create(ours, broken.want)
		if _, err := db.Exec("UPDATE django_session SET "+column+" = ? WHERE session_key = ?", broken.value, key); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range keys {
		if _, err := ours.Load(t.Context(), key); !errors.Is(err, want) {
			t.Errorf("Load: got %v, want %v", err, want)
		}
		_, err := ours.Update(t.Context(), key, func(v session.Session) (session.Session, error) { return v, nil })
		if !errors.Is(err, want) {
			t.Errorf("Update: got %v, want %v", err, want)
		}
	}
	for v, err := range ours.All(t.Context()) {
		if want, known := keys[v.Key]; !known || !errors.Is(err, want) {
			t.Errorf("All: got %v, want %v", err, want)
		}
		delete(keys, v.Key)
	}
	if len(keys) != 0 {
		t.Errorf("All left out %d sessions", len(keys))
	}
}

// TestTouchSignsAnew checks that a touch while fallback keys are set signs the session with the
// new key, so that it survives the removal of the old one.
func TestTouchSignsAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	key := sessiontest.Key(t)
	v := session.Session{Key: key, Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}
	if err := open(t, file, codec(t, "old"), time.Now).Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	touch := func(v session.Session) (session.Session, error) {
		v.Expires = v.Expires.Add(time.Hour)
		return v, nil
	}
	if _, err := open(t, file, codec(t, "new", "old"), time.Now).Update(t.Context(), key, touch); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, file, codec(t, "new"), time.Now).Load(t.Context(), key); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// TestWithoutCodec checks that without a codec sessions can be deleted, but not read or written.
func TestWithoutCodec(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	full, bare := open(t, file, codec(t, "secret"), time.Now), open(t, file, nil, time.Now)
	v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
	if err := full.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Load(t.Context(), v.Key); !errors.Is(err, django.ErrNoKey) {
		t.Errorf("Load: got %v, want %v", err, django.ErrNoKey)
	}
	if err := bare.Create(t.Context(), session.Session{Key: "other", Data: []byte(`{}`)}); !errors.Is(err, django.ErrNoKey) {
		t.Errorf("Create: got %v, want %v", err, django.ErrNoKey)
	}
	if err := bare.Delete(t.Context(), v.Key); err != nil {
		t.Errorf("Delete: got %v, want none", err)
	}
}

// TestTwoStoresLoseNothing uses two stores on one file, as two processes would: only SQLite's
// locks exclude them.
func TestTwoStoresLoseNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	stores := []*sqlite.Store{open(t, file, codec(t, "s"), time.Now), open(t, file, codec(t, "s"), time.Now)}
	key := sessiontest.Key(t)
	v := session.Session{Key: key, Data: []byte(`{"x":""}`), Expires: time.Now().Add(time.Hour)}
	if err := stores[0].Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	const rounds = 50
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			for range rounds {
				if _, err := s.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
					v.Data = []byte(strings.Replace(string(v.Data), `"}`, `+"}`, 1))
					return v, nil
				}); err != nil {
					t.Errorf("got %v, want none", err)
				}
			}
		})
	}
	all.Wait()
	v, err := stores[0].Load(t.Context(), key)
	if err != nil || strings.Count(string(v.Data), "+") != 2*rounds {
		t.Errorf("got %d updates and error %v, want %d", strings.Count(string(v.Data), "+"), err, 2*rounds)
	}
}

func TestLockedFileIsAnOutage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	s := open(t, file, codec(t, "s"), time.Now)
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Delete(ctx, "key"); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, session.ErrUnavailable)
	}
	tx.Rollback()
	if err := s.Delete(t.Context(), "key"); err != nil {
		t.Errorf("after the lock: got %v, want none", err)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file   string
		create bool
	}{
		{text, true}, {dir, true}, {filepath.Join(dir, "missing", "db"), true}, {empty, false}, {filepath.Join(dir, "absent"), false},
	} {
		s, err := sqlite.Open(t.Context(), c.file, sqlite.Options{Create: c.create, Now: time.Now})
		if !errors.Is(err, session.ErrUnavailable) || s != nil {
			t.Errorf("Open(%s): got %v, %v, want %v", c.file, s, err, session.ErrUnavailable)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); err == nil {
		t.Errorf("a file was created unasked")
	}
}

func BenchmarkLoad(b *testing.B) {
	c, err := django.NewCodec("secret")
	if err != nil {
		b.Fatal(err)
	}
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "db"), sqlite.Options{Codec: c, Create: true, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	v := session.Session{Key: sessiontest.Key(b), Data: []byte(`{"_auth_user_id":"1","_auth_user_backend":"x"}`), Expires: time.Now().Add(time.Hour)}
	if err := s.Create(b.Context(), v); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Load(b.Context(), v.Key); err != nil {
			b.Fatal(err)
		}
	}
}

func TestUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.sqlite3")
	s := open(t, file, codec(t, "secret"), time.Now)
	if _, err := s.Users(t.Context(), session.DjangoUsers("auth_user")); !errors.Is(err, session.ErrNotFound) {
		t.Fatalf("no table: %v", err)
	}
	rows(t, file, `CREATE TABLE "my""users" (id integer PRIMARY KEY, password text NOT NULL, is_active bool NOT NULL)`)
	rows(t, file, `CREATE TABLE members (id char(32) PRIMARY KEY, password text NOT NULL, is_active bool NOT NULL)`)
	rows(t, file, `CREATE TABLE odd (id integer PRIMARY KEY)`)
	rows(t, file, `INSERT INTO "my""users" VALUES (7, 'seven', 1), (8, 'eight', 0)`)
	rows(t, file, `INSERT INTO members VALUES ('00112233445566778899aabbccddeeff', 'uuid', 1)`)
	rows(t, file, `CREATE TABLE own (key char(32) PRIMARY KEY, "the ""hash" text NOT NULL, live bool)`)
	rows(t, file, `INSERT INTO own VALUES ('00112233445566778899aabbccddeeff', 'x', 1), ('10112233445566778899aabbccddeeff', 'y', NULL)`)
	rows(t, file, `CREATE TABLE texts (id varchar(32) PRIMARY KEY, password text NOT NULL, is_active bool NOT NULL)`)
	rows(t, file, `INSERT INTO texts VALUES ('00112233445566778899AABBCCDDEEFF', 'text', 1)`)
	if _, err := s.Users(t.Context(), session.DjangoUsers("odd")); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a table without the columns: %v", err)
	}
	for _, columns := range []session.UserTable{{Name: "own", ID: "no", Password: `the "hash`}, {Name: "own", ID: "key", Password: "no"}, {Name: "own", ID: "key", Password: `the "hash`, Active: "no"}} {
		if _, err := s.Users(t.Context(), columns); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%+v: got %v, want an error for the column", columns, err)
		}
	}
	own := session.UserTable{Name: "own", ID: "key", Password: `the "hash`, Active: "live"}
	always := own
	always.Active = ""
	const first, second = "00112233-4455-6677-8899-aabbccddeeff", "10112233-4455-6677-8899-aabbccddeeff"
	django := session.DjangoUsers
	for _, tt := range []struct {
		table session.UserTable
		id    string
		want  session.User
		err   error
	}{
		{own, first, session.User{ID: first, Password: "x", Active: true}, nil},
		{own, strings.ToUpper(strings.ReplaceAll(first, "-", "")), session.User{ID: first, Password: "x", Active: true}, nil},
		{own, second, session.User{ID: second, Password: "y"}, nil}, // NULL
		{always, second, session.User{ID: second, Password: "y", Active: true}, nil},
		{django(`my"users`), "7", session.User{ID: "7", Password: "seven", Active: true}, nil},
		{django(`my"users`), "8", session.User{ID: "8", Password: "eight"}, nil},
		{django(`my"users`), "07", session.User{ID: "7", Password: "seven", Active: true}, nil},
		{django(`my"users`), "9", session.User{}, session.ErrNotFound},
		{django(`my"users`), "7 OR 1=1", session.User{}, session.ErrNotFound},
		{django(`my"users`), "", session.User{}, session.ErrNotFound},
		{django("members"), "00112233-4455-6677-8899-aabbccddeeff", session.User{ID: "00112233-4455-6677-8899-aabbccddeeff", Password: "uuid", Active: true}, nil},
		{django("texts"), "00112233445566778899AABBCCDDEEFF", session.User{ID: "00112233445566778899AABBCCDDEEFF", Password: "text", Active: true}, nil},
		{django("texts"), "00112233445566778899aabbccddeeff", session.User{}, session.ErrNotFound},
	} {
		users, err := s.Users(t.Context(), tt.table)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := users.User(t.Context(), tt.id); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s %q: got %v, %v; want %v, %v", tt.table, tt.id, got, err, tt.want, tt.err)
		}
	}
}
