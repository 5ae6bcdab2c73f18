package django_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"cloakroom/tests/stack"
)

// engine is one of Django's session engines over one kind of storage.
type engine struct {
	name string
	// new makes an empty store. It gives its URL and what Django's settings
	// say of it.
	new func(t *testing.T) (url string, settings map[string]any)
}

var (
	sqlite     = engine{"SQLite", newSQLite}
	postgresql = engine{"PostgreSQL", newPostgres}
)

var (
	// databases are the engines with Django's table alone.
	databases = []engine{sqlite, postgresql}
	engines   = databases
)

// each runs a test with each of the engines.
func each(t *testing.T, engines []engine, test func(t *testing.T, d *driver)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, e))
		})
	}
}

// servers are what the engines need; all run as long as the tests.
var servers struct{ postgres *stack.Postgres }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if servers.postgres, err = stack.StartPostgres(context.Background(), stack.PostgresConfig{}); err != nil {
		log.Print(err)
		return 1
	}
	defer servers.postgres.Stop()
	return m.Run()
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
