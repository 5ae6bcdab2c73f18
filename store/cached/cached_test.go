package cached_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/cached"
	"cloakroom/store/postgres"
	"cloakroom/store/redis"
	"cloakroom/store/sqlite"
)

var (
	postgresServer *testenv.Postgres
	redisServer    *testenv.RedisServer
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if postgresServer, err = testenv.StartPostgres(context.Background(), testenv.PostgresConfig{}); err != nil {
		log.Print(err)
		return 1
	}
	defer postgresServer.Stop()
	if redisServer, err = testenv.StartRedis(context.Background(), testenv.RedisConfig{Server: testenv.Valkey}); err != nil {
		log.Print(err)
		return 1
	}
	defer redisServer.Stop()
	return m.Run()
}

func codec(t *testing.T) *django.Codec {
	c, err := django.NewCodec("secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var prefixes atomic.Int32

func cache(t *testing.T, now func() time.Time) *redis.Store {
	t.Helper()
	url := fmt.Sprintf("redis://%s/0?key_prefix=test%d", redisServer.Address(), prefixes.Add(1))
	c, err := redis.Open(t.Context(), url, redis.Options{Engine: redis.CachedDBEngine, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// databases open a new, empty database.
var databases = map[string]func(t *testing.T, now func() time.Time) cached.Database{
	"SQLite": func(t *testing.T, now func() time.Time) cached.Database {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db.sqlite3"), sqlite.Options{Codec: codec(t), Create: true, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
	"PostgreSQL": func(t *testing.T, now func() time.Time) cached.Database {
		url := postgresServer.URL("postgres") + fmt.Sprintf("?search_path=test%d", prefixes.Add(1))
		schema(t, url)
		s, err := postgres.Open(t.Context(), url, postgres.Options{Codec: codec(t), Create: true, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

func TestConformance(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			traits := sessiontest.Traits{Resolution: time.Millisecond, Python: true}
			sessiontest.RunWith(t, traits, func(t *testing.T, now func() time.Time) session.Store {
				return cached.New(database(t, now), cache(t, now))
			})
		})
	}
}

// faulty is a cache that can be made unavailable.
type faulty struct {
	cached.Cache
	away atomic.Bool
}

var errAway = fmt.Errorf("%w: away", session.ErrUnavailable)

func (f *faulty) Load(ctx context.Context, key string) (session.Session, error) {
	if f.away.Load() {
		return session.Session{}, errAway
	}
	return f.Cache.Load(ctx, key)
}

func (f *faulty) Put(ctx context.Context, v session.Session) error {
	if f.away.Load() {
		return errAway
	}
	return f.Cache.Put(ctx, v)
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	if f.away.Load() {
		return errAway
	}
	return f.Cache.Delete(ctx, key)
}

func create(t *testing.T, s session.Store, data string) string {
	t.Helper()
	key := sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(data), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return key
}

func set(data string) session.Change {
	return func(v session.Session) (session.Session, error) {
		v.Data = []byte(data)
		return v, nil
	}
}

// TestCacheAway checks that reads work during an outage of the cache, and that writes that must
// reach the cache fail until it is over.
func TestCacheAway(t *testing.T) {
	c := &faulty{Cache: cache(t, time.Now)}
	s := cached.New(databases["SQLite"](t, time.Now), c)
	defer s.Close()
	key := create(t, s, `{"a":1}`)
	load := func() string {
		v, err := s.Load(t.Context(), key)
		if err != nil {
			return err.Error()
		}
		return string(v.Data)
	}
	load() // stores the copy
	c.away.Store(true)
	if got := load(); got != `{"a":1}` {
		t.Errorf("a read: %s", got)
	}
	if _, err := s.Update(t.Context(), key, set(`{"a":2}`)); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("an update: %v", err)
	}
	if got := load(); got != `{"a":1}` {
		t.Errorf("after the update that failed: %s", got)
	}
	if _, err := s.Rotate(t.Context(), key, sessiontest.Key(t), nil); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a rotation: %v", err)
	}
	if err := s.Delete(t.Context(), key); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a deletion: %v, which must not pass for done: the copy is still there", err)
	}
	c.away.Store(false)
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got := load(); got != session.ErrNotFound.Error() {
		t.Errorf("after the deletion: %s", got)
	}
}

// TestNoOldCopy lets readers store copies while a writer changes and ends sessions: no reader sees
// an older value after a newer one, and none sees a session after its end.
func TestNoOldCopy(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			c := cache(t, time.Now)
			s := cached.New(database(t, time.Now), c)
			defer s.Close()
			for range 20 {
				oneNoOldCopy(t, s, c)
			}
		})
	}
}

func oneNoOldCopy(t *testing.T, s *cached.Store, c *redis.Store) {
	t.Helper()
	key := create(t, s, `{"n":0}`)
	var written atomic.Int64
	var ended atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !ended.Load() {
				least := written.Load()
				v, err := s.Load(t.Context(), key)
				var n int64
				if err == nil {
					fmt.Sscanf(string(v.Data), `{"n":%d}`, &n)
				}
				if err == nil && n < least {
					t.Errorf("read %d after %d was written", n, least)
				}
			}
		})
	}
	for n := range int64(10) {
		if _, err := s.Update(t.Context(), key, set(fmt.Sprintf(`{"n":%d}`, n+1))); err != nil {
			t.Error(err)
		}
		written.Store(n + 1)
		_ = c.Delete(t.Context(), key) // as if it were evicted
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Error(err)
	}
	if v, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after the end: %s, %v", v.Data, err)
	}
	ended.Store(true)
	readers.Wait()
	if v, err := c.Load(t.Context(), key); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a copy is left: %s, %v", v.Data, err)
	}
}

// schema creates the schema that an URL's search_path names.
func schema(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+conn.Config().RuntimeParams["search_path"]); err != nil {
		t.Fatal(err)
	}
}
