package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/postgres"
)

var server *testenv.Postgres

func TestMain(m *testing.M) {
	var err error
	if server, err = testenv.StartPostgres(context.Background(), testenv.PostgresConfig{}); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

var databases atomic.Int32

// connect returns a connection to the database that the URL names.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// database creates an empty database and returns its URL.
func database(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	exec(t, connect(t, server.URL("postgres")), "CREATE DATABASE "+name)
	return server.URL(name)
}

func codec(t *testing.T, secret string, fallbacks ...string) *django.Codec {
	t.Helper()
	c, err := django.NewCodec(secret, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, url string, c *django.Codec, now func() time.Time) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Codec: c, Create: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func create(t *testing.T, s session.Store) (key string) {
	t.Helper()
	key = sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return key
}

func keep(v session.Session) (session.Session, error) { return v, nil }

func TestConformance(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Store {
		return open(t, database(t), codec(t, "secret"), now)
	})
}

func TestUnreadableRows(t *testing.T) {
	url := database(t)
	ours := open(t, url, codec(t, "new", "old"), time.Now)
	keys := map[string]error{
		create(t, ours): nil,
		create(t, open(t, url, codec(t, "old"), time.Now)):     nil,
		create(t, open(t, url, codec(t, "foreign"), time.Now)): session.ErrUnreadable,
	}
	huge, endless := create(t, ours), create(t, ours)
	keys[huge], keys[endless] = session.ErrTooLarge, nil
	conn := connect(t, url)
	exec(t, conn, "UPDATE django_session SET session_data = repeat('x', 10 << 20) WHERE session_key = $1", huge)
	exec(t, conn, "UPDATE django_session SET expire_date = 'infinity' WHERE session_key = $1", endless)
	exec(t, conn, "INSERT INTO django_session VALUES ('ended', '', '-infinity')")
	for key, want := range keys {
		if _, err := ours.Load(t.Context(), key); !errors.Is(err, want) {
			t.Errorf("Load: got %v, want %v", err, want)
		}
		if _, err := ours.Update(t.Context(), key, keep); !errors.Is(err, want) {
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

// TestOddKeys checks that keys that PostgreSQL cannot compare, which any client may send, are no
// outage.
func TestOddKeys(t *testing.T) {
	s := open(t, database(t), codec(t, "secret"), time.Now)
	for _, key := range []string{"", "\x00", "\xff", "'", "☃", strings.Repeat("x", 4096)} {
		if _, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load(%.10q): got %v, want %v", key, err, session.ErrNotFound)
		}
		if _, err := s.Update(t.Context(), key, keep); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Update(%.10q): got %v, want %v", key, err, session.ErrNotFound)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%.10q): got %v, want none", key, err)
		}
	}
}

// TestTwoClear checks that two stores that clear concurrently count every dead session once.
func TestTwoClear(t *testing.T) {
	url := database(t)
	stores := []*postgres.Store{open(t, url, codec(t, "s"), time.Now), open(t, url, codec(t, "s"), time.Now)}
	exec(t, connect(t, url), "INSERT INTO django_session SELECT 'key' || n, '', now() - interval '1 day' FROM generate_series(1, 1000) n")
	var all sync.WaitGroup
	var cleared atomic.Int64
	for _, s := range stores {
		all.Go(func() {
			for {
				n, err := s.ClearExpired(t.Context(), 30)
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				cleared.Add(int64(n))
				if n < 30 {
					return
				}
			}
		})
	}
	all.Wait()
	if got := cleared.Load(); got != 1000 {
		t.Errorf("got %d cleared, want 1000", got)
	}
}

// TestLockedRowIsAnOutage checks that the wait for a row that another transaction has locked is
// bounded.
func TestLockedRowIsAnOutage(t *testing.T) {
	url := database(t)
	s := open(t, url, codec(t, "s"), time.Now)
	key := create(t, s)
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM django_session WHERE session_key = $1 FOR UPDATE", key); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Update(ctx, key, keep); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, session.ErrUnavailable)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), key, keep); err != nil {
		t.Errorf("after the lock: got %v, want none", err)
	}
}

// TestRestart checks that a stopped server is an outage, and that the store works again after it
// is back.
func TestRestart(t *testing.T) {
	// Not below t.TempDir, which no other user may enter.
	dir, err := os.MkdirTemp("", "cloakroom-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	own, err := testenv.StartPostgres(t.Context(), testenv.PostgresConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { own.Stop() }()
	// No server listens on the first host.
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(own.URL("postgres"), "@", fmt.Sprintf("@127.0.0.1:%d,", ports[0]), 1) + "?target_session_attrs=read-write&pool_max_conns=2"
	s := open(t, url, codec(t, "s"), time.Now)
	key := create(t, s)
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("stopped: got %v, want %v", err, session.ErrUnavailable)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("stopped: got %v, want %v", err, session.ErrUnavailable)
	}
	if own, err = testenv.StartPostgres(t.Context(), testenv.PostgresConfig{Dir: dir, Port: own.Port}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), key); err != nil {
		t.Errorf("back: got %v, want none", err)
	}
}

func TestOpenFails(t *testing.T) {
	url := database(t)
	for url, want := range map[string]error{
		url:                                           session.ErrUnavailable, // no table
		server.URL("absent"):                          session.ErrUnavailable,
		strings.Replace(url, "pass", "wrong", 1):      session.ErrUnavailable,
		url + "?sslmode=require":                      session.ErrUnavailable,
		url + "?target_session_attrs=standby":         session.ErrUnavailable,
		url + "?pool_max_conns=none":                  postgres.ErrURL,
		url + "?sslmode=perhaps":                      postgres.ErrURL,
		"postgres://u:pass%20word@host:port/database": postgres.ErrURL,
	} {
		s, err := postgres.Open(t.Context(), url, postgres.Options{Now: time.Now})
		if !errors.Is(err, want) || s != nil {
			t.Errorf("got %v, %v, want %v", s, err, want)
			continue
		}
		if strings.Contains(err.Error(), "pass word") || strings.Contains(err.Error(), "pass%20word") {
			t.Errorf("the error contains the password: %v", err)
		}
	}
}

func TestUsers(t *testing.T) {
	url := database(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{Codec: codec(t, "secret"), Create: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Users(t.Context(), session.DjangoUsers("auth_user")); !errors.Is(err, session.ErrNotFound) {
		t.Fatalf("no table: %v", err)
	}
	conn := connect(t, url)
	exec(t, conn, `CREATE SCHEMA people; CREATE TABLE people."my""users" (id integer PRIMARY KEY, password text NOT NULL, is_active bool NOT NULL)`)
	exec(t, conn, `CREATE TABLE members (id uuid PRIMARY KEY, password text NOT NULL, is_active bool NOT NULL)`)
	exec(t, conn, `CREATE TABLE odd (id integer PRIMARY KEY)`)
	exec(t, conn, `INSERT INTO people."my""users" VALUES (7, 'seven', true), (8, 'eight', false)`)
	exec(t, conn, `INSERT INTO members VALUES ('00112233-4455-6677-8899-aabbccddeeff', 'uuid', true)`)
	exec(t, conn, `CREATE TABLE own (key uuid PRIMARY KEY, "the ""hash" text NOT NULL, live bool)`)
	exec(t, conn, `INSERT INTO own VALUES ('00112233-4455-6677-8899-aabbccddeeff', 'x', true), ('10112233-4455-6677-8899-aabbccddeeff', 'y', NULL)`)
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
		{django(`people.my"users`), "7", session.User{ID: "7", Password: "seven", Active: true}, nil},
		{django(`people.my"users`), "8", session.User{ID: "8", Password: "eight"}, nil},
		{django(`people.my"users`), "9", session.User{}, session.ErrNotFound},
		{django(`people.my"users`), "7 OR 1=1", session.User{}, session.ErrNotFound},
		{django(`people.my"users`), "99999999999999", session.User{}, session.ErrNotFound},
		{django(`people.my"users`), "\x00", session.User{}, session.ErrNotFound},
		{django("members"), "00112233-4455-6677-8899-aabbccddeeff", session.User{ID: "00112233-4455-6677-8899-aabbccddeeff", Password: "uuid", Active: true}, nil},
		{django("members"), "7", session.User{}, session.ErrNotFound},
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

// TestFailover lists a host that is down before the one that is up, and requests one that accepts
// writes.
func TestFailover(t *testing.T) {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	up := strings.Replace(database(t), "@127.0.0.1:", fmt.Sprintf("@127.0.0.1:%d,127.0.0.1:", ports[0]), 1)
	s := open(t, up+"?target_session_attrs=read-write&pool_max_conns=2&connect_timeout=2", codec(t, "secret"), time.Now)
	create(t, s)
	if _, err := postgres.Open(t.Context(), up+"?target_session_attrs=standby", postgres.Options{Now: time.Now}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("no host is a standby: %v", err)
	}
}

// TestNoRights checks that a role without the privilege to read the table is an outage with a
// clear error, and not a missing session.
func TestNoRights(t *testing.T) {
	url := database(t)
	admin := open(t, url, codec(t, "secret"), time.Now)
	key := create(t, admin)
	exec(t, connect(t, url), "DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN PASSWORD 'x'")
	s := existing(t, strings.Replace(url, "postgres:pass%20word%2F%3F%23@", "nobody_here:x@", 1))
	_, err := s.Load(t.Context(), key)
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Load: %v", err)
	}
	for name, err := range map[string]error{"Ping": s.Ping(t.Context()), "Delete": s.Delete(t.Context(), key)} {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHugeRow stores ten megabytes under a key: rejected, with bounded memory.
func TestHugeRow(t *testing.T) {
	url := database(t)
	s := open(t, url, codec(t, "secret"), time.Now)
	key := create(t, s)
	exec(t, connect(t, url), "UPDATE django_session SET session_data = repeat('A', 10000000) WHERE session_key = $1", key)
	if _, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("Load: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		s.Load(t.Context(), key)
	}
	runtime.ReadMemStats(&after)
	if spent := (after.TotalAlloc - before.TotalAlloc) / 10; spent > 6<<20 {
		t.Errorf("each lookup of it allocates %d bytes", spent)
	}
}

func TestFeed(t *testing.T) {
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.OpenFeed {
		url := database(t)
		return func(t *testing.T) session.Feed {
			f, err := open(t, url, codec(t, "secret"), time.Now).Feed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}
	})
}
