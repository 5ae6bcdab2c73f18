package django_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloakroom/internal/testenv"
)

// engine is one of Django's session engines over one kind of storage.
type engine struct {
	name string
	// new creates an empty store. It returns its URL and Django's settings for it.
	new func(t *testing.T) (url string, settings map[string]any)
	// resolution is the resolution of a session's expiry.
	resolution time.Duration
	// whole reports that Django fails to store an age with fractions of a second.
	whole bool
	// slack is the maximum difference of the expiries if Django itself keeps two.
	slack time.Duration
}

var (
	sqlite     = engine{name: "SQLite", new: newSQLite, resolution: time.Microsecond}
	postgresql = engine{name: "PostgreSQL", new: newPostgres, resolution: time.Microsecond}
	redis      = engine{name: testenv.Redis, new: newRedis(testenv.Redis), resolution: time.Millisecond, whole: true}
	valkey     = engine{name: testenv.Valkey, new: newRedis(testenv.Valkey), resolution: time.Millisecond, whole: true}
	files      = engine{name: "file", new: newFiles, resolution: time.Microsecond}
	cachedDB   = engine{name: "cached_db", new: newCached, resolution: time.Millisecond, whole: true, slack: 2 * time.Second}
)

var (
	// databases are the engines with only Django's table.
	databases = []engine{sqlite, postgresql}
	// caches keep Python's values.
	caches  = []engine{redis, valkey}
	engines = slices.Concat(databases, caches, []engine{files, cachedDB})
	// ending are the engines in which dead sessions can be stored.
	ending = append(slices.Clone(databases), files)
)

// each runs a test with each of the engines, in each of the versions.
func each(t *testing.T, engines []engine, test func(t *testing.T, d *driver)) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, e := range engines {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				test(t, start(t, v, e))
			})
		}
	})
}

// servers are the servers of the engines; all run as long as the tests.
var servers struct {
	postgres *testenv.Postgres
	redis    map[string]*testenv.RedisServer
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if servers.postgres, err = testenv.StartPostgres(context.Background(), testenv.PostgresConfig{}); err != nil {
		log.Print(err)
		return 1
	}
	defer servers.postgres.Stop()
	servers.redis = map[string]*testenv.RedisServer{}
	for _, name := range []string{testenv.Redis, testenv.Valkey} {
		s, err := testenv.StartRedis(context.Background(), testenv.RedisConfig{Server: name})
		if err != nil {
			log.Print(err)
			return 1
		}
		defer s.Stop()
		servers.redis[name] = s
	}
	code := m.Run()
	if err := summarize(); err != nil {
		log.Print(err)
		code = 1
	}
	return code
}

const dbEngine = "django.contrib.sessions.backends.db"

func newSQLite(t *testing.T) (string, map[string]any) {
	file := filepath.Join(t.TempDir(), "db.sqlite3")
	return "sqlite://" + file, map[string]any{
		"SESSION_ENGINE": dbEngine,
		"DATABASES":      map[string]any{"default": map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
	}
}

var names atomic.Int32

func newPostgres(t *testing.T) (string, map[string]any) {
	t.Helper()
	name := fmt.Sprintf("test%d", names.Add(1))
	conn, err := pgx.Connect(t.Context(), servers.postgres.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return servers.postgres.URL(name), map[string]any{
		"SESSION_ENGINE": dbEngine,
		"DATABASES": map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": servers.postgres.Port,
			"NAME": name, "USER": "postgres", "PASSWORD": servers.postgres.Password(),
		}},
	}
}

func newRedis(server string) func(t *testing.T) (string, map[string]any) {
	return func(t *testing.T) (string, map[string]any) {
		prefix := fmt.Sprintf("test%d", names.Add(1))
		location := "redis://" + servers.redis[server].Address() + "/1"
		return location + "?version=3&key_prefix=" + prefix, map[string]any{
			"SESSION_ENGINE": "django.contrib.sessions.backends.cache",
			"CACHES": map[string]any{"default": map[string]any{
				"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location, "KEY_PREFIX": prefix, "VERSION": 3,
			}},
		}
	}
}

func newFiles(t *testing.T) (string, map[string]any) {
	dir := t.TempDir()
	return "file://" + dir + "?prefix=sid&age=336h", map[string]any{
		"SESSION_ENGINE": "django.contrib.sessions.backends.file", "SESSION_FILE_PATH": dir, "SESSION_COOKIE_NAME": "sid",
	}
}

func newCached(t *testing.T) (string, map[string]any) {
	databaseURL, settings := newSQLite(t)
	cacheURL, cache := newRedis(testenv.Valkey)(t)
	settings["SESSION_ENGINE"] = "django.contrib.sessions.backends.cached_db"
	settings["CACHES"] = cache["CACHES"]
	return "cached+" + databaseURL + " " + cacheURL, settings
}

// migrate creates Django's tables, if the engine has any.
func (d *driver) migrate(t *testing.T) {
	t.Helper()
	if slices.ContainsFunc(append(databases, cachedDB), func(e engine) bool { return e.name == d.name }) {
		d.call(t, "migrate", args{}, nil)
	}
}
