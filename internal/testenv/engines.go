package testenv

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
)

// Engine is one of Django's session engines, with the settings that both sides need to use it.
type Engine struct {
	Name string
	// Store is the URL of the sessions' store for cloakroom serve; "" for cookies.
	Store string
	// Accounts is the users' database, for --accounts.
	Accounts string
	// Settings are Django's.
	Settings map[string]any
}

// Engines returns an Engine of each kind, over the servers and a folder. They share neither
// sessions nor accounts.
func Engines(dir, secretKey string, postgres *Postgres, redis *RedisServer) ([]Engine, error) {
	files := filepath.Join(dir, "sessions")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return nil, err
	}
	sqlite := func(name string) (string, map[string]any) {
		file := filepath.Join(dir, name+".sqlite3")
		return "sqlite://" + file, map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.sqlite3", "NAME": file, "CONN_MAX_AGE": nil,
			"OPTIONS": map[string]any{"timeout": 10, "transaction_mode": "IMMEDIATE"},
		}}
	}
	cache := func(prefix string) (string, map[string]any) {
		location := "redis://" + redis.Address() + "/0"
		return location + "?key_prefix=" + prefix, map[string]any{"default": map[string]any{
			"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location, "KEY_PREFIX": prefix,
		}}
	}
	engine := func(name, backend, store string, databases map[string]any) Engine {
		return Engine{Name: name, Store: store, Accounts: "auto", Settings: map[string]any{
			"SECRET_KEY": secretKey, "DATABASES": databases, "SESSION_ENGINE": "django.contrib.sessions.backends." + backend,
		}}
	}
	var all []Engine

	url, databases := sqlite("db")
	all = append(all, engine("db, SQLite", "db", url, databases))

	all = append(all, engine("db, PostgreSQL", "db", postgres.URL("postgres"), map[string]any{"default": map[string]any{
		"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": postgres.Port, "CONN_MAX_AGE": nil,
		"NAME": "postgres", "USER": "postgres", "PASSWORD": postgres.Password(),
	}}))

	accounts, databases := sqlite("cache")
	url, caches := cache("cache")
	e := engine("cache, "+Valkey, "cache", url, databases)
	e.Accounts, e.Settings["CACHES"] = accounts, caches
	all = append(all, e)

	database, databases := sqlite("cached")
	url, caches = cache("cached")
	e = engine("cached_db, SQLite and "+Valkey, "cached_db", "cached+"+database+" "+url, databases)
	e.Settings["CACHES"] = caches
	all = append(all, e)

	accounts, databases = sqlite("file")
	e = engine("file", "file", "file://"+files, databases)
	e.Accounts, e.Settings["SESSION_FILE_PATH"] = accounts, files
	all = append(all, e)

	_, databases = sqlite("signed")
	return append(all, engine("signed_cookies", "signed_cookies", "", databases)), nil
}

// StartDjangoSite runs the site of djangosite/stepsite.py with an engine, under gunicorn with
// workers of four threads.
func StartDjangoSite(ctx context.Context, e Engine, port, workers int) (*Process, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(e.Settings)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return Start(ctx, Command{
		Name:  "django " + e.Name,
		Path:  python,
		Args:  []string{"-m", "gunicorn", "--preload", "--bind", address, "--workers", strconv.Itoa(workers), "--threads", "4", "stepsite:application"},
		Env:   []string{"CLOAKROOM_SETTINGS=" + string(settings), "PYTHONDONTWRITEBYTECODE=1"},
		Dir:   filepath.Join(root, "internal", "testenv", "djangosite"),
		Ready: Answers("http://"+address+"/django/home", ""),
	})
}
