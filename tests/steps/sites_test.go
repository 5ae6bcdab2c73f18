// Package steps walks through Django's session framework step by step, for
// each engine, through real Envoy: once with Django as the upstream, once with
// a Go service that uses headers alone, each checking what the other did.
package steps

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"text/template"

	"cloakroom/tests/stack"
)

const (
	secretKey = "the steps' SECRET_KEY, long enough for Django"
	token     = "the steps' token"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("").Funcs(template.FuncMap{"json": func(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}}).Parse(bootstrapText))

// site is Django with one engine, the session service on the same sessions,
// and Envoy before it.
type site struct {
	Name   string
	Port   int    // Envoy's
	Django string // the cluster
	Config string

	store    string         // as cloakroom serve names it; empty: signed cookies
	settings map[string]any // Django's
}

const backends = "django.contrib.sessions.backends."

// newSites says what each engine needs. All have their accounts in a database
// of their own.
func newSites(dir string, postgres *stack.Postgres, redis *stack.RedisServer) []*site {
	sqlite := func(name string) (string, map[string]any) {
		file := filepath.Join(dir, name+".sqlite3")
		return "sqlite://" + file, map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": map[string]any{"timeout": 10, "transaction_mode": "IMMEDIATE"},
		}}
	}
	caches := func(prefix string) (string, map[string]any) {
		location := "redis://" + redis.Address() + "/0"
		return location + "?key_prefix=" + prefix, map[string]any{"default": map[string]any{
			"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location, "KEY_PREFIX": prefix,
		}}
	}
	var sites []*site
	add := func(name, engine, store string, databases, caches map[string]any) *site {
		settings := map[string]any{"SECRET_KEY": secretKey, "SESSION_ENGINE": backends + engine, "DATABASES": databases}
		if caches != nil {
			settings["CACHES"] = caches
		}
		s := &site{Name: name, Django: "django-" + strconv.Itoa(len(sites)), store: store, settings: settings}
		sites = append(sites, s)
		return s
	}
	url, databases := sqlite("db")
	add("db, SQLite", "db", url, databases, nil)
	add("db, PostgreSQL", "db", postgres.URL("postgres"), map[string]any{"default": map[string]any{
		"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": postgres.Port,
		"NAME": "postgres", "USER": "postgres", "PASSWORD": postgres.Password(),
	}}, nil)
	_, databases = sqlite("cache")
	url, cache := caches("cache")
	add("cache, Valkey", "cache", url, databases, cache)
	database, databases := sqlite("cached")
	url, cache = caches("cached")
	add("cached_db, SQLite and Valkey", "cached_db", "cached+"+database+" "+url, databases, cache)
	_, databases = sqlite("file")
	files := filepath.Join(dir, "sessions")
	add("file", "file", "file://"+files, databases, nil).settings["SESSION_FILE_PATH"] = files
	_, databases = sqlite("signed")
	add("signed_cookies", "signed_cookies", "", databases, nil)
	return sites
}

var (
	sites []*site
	envoy *stack.Envoy
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cloakroom-steps-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	postgres, err := stack.StartPostgres(ctx, stack.PostgresConfig{})
	if err != nil {
		return 1, err
	}
	defer postgres.Stop()
	redis, err := stack.StartRedis(ctx, stack.RedisConfig{Server: stack.Valkey})
	if err != nil {
		return 1, err
	}
	defer redis.Stop()
	if err := os.Mkdir(filepath.Join(dir, "sessions"), 0o700); err != nil {
		return 1, err
	}
	sites = newSites(dir, postgres, redis)
	stop, err := startSites(ctx)
	defer stop()
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// startSites starts all that the sites need.
func startSites(ctx context.Context) (stop func(), err error) {
	var stops []func() error
	stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			_ = stops[i]()
		}
	}
	ports, err := stack.FreePorts(3*len(sites) + 1)
	if err != nil {
		return stop, err
	}
	take := func() int { p := ports[0]; ports = ports[1:]; return p }
	upstream := httptest.NewServer(plain())
	stops = append(stops, func() error { upstream.Close(); return nil })
	address, err := url.Parse(upstream.URL)
	if err != nil {
		return stop, err
	}
	clusters := map[string]string{"plain": address.Port()}
	for _, s := range sites {
		port := take()
		clusters[s.Django] = strconv.Itoa(port)
		django, err := s.startDjango(ctx, port)
		if err != nil {
			return stop, fmt.Errorf("%s: %w", s.Name, err)
		}
		stops = append(stops, django.Stop)
		if s.store != "" {
			port := take()
			clusters["sessions-"+s.Django] = strconv.Itoa(port)
			service, err := s.startService(ctx, port)
			if err != nil {
				return stop, fmt.Errorf("%s: %w", s.Name, err)
			}
			stops = append(stops, service.Stop)
		}
		s.Port = take()
		if s.Config, err = s.config(); err != nil {
			return stop, err
		}
	}
	admin := take()
	wasm, err := stack.Wasm()
	if err != nil {
		return stop, err
	}
	var text bytes.Buffer
	if err := bootstrap.Execute(&text, map[string]any{"AdminPort": admin, "Wasm": wasm, "Sites": sites, "Clusters": clusters}); err != nil {
		return stop, err
	}
	if envoy, err = stack.StartEnvoy(ctx, stack.EnvoyConfig{Version: stack.Envoy140, Bootstrap: text.String(), AdminPort: admin}); err != nil {
		return stop, err
	}
	stops = append(stops, envoy.Stop)
	return stop, nil
}

// config is the filter's.
func (s *site) config() (string, error) {
	engine := map[string]any{"service": map[string]any{"cluster": "sessions-" + s.Django, "token": token, "timeout": "2s"}}
	if s.store == "" {
		engine = map[string]any{"signed_cookies": map[string]any{"secret_key": secretKey}}
	}
	text, err := json.Marshal(map[string]any{
		"mode":   "optional",
		"engine": engine,
		"cookie": map[string]any{"secure": false},
		"routes": map[string]any{
			"go":      map[string]any{"accept_updates": true, "forward_cookie": false},
			"private": map[string]any{"mode": "required", "accept_updates": true},
		},
	})
	return string(text), err
}

func (s *site) startDjango(ctx context.Context, port int) (*stack.Process, error) {
	python, err := stack.Python()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(s.settings)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return stack.Start(ctx, stack.Command{
		Name:  "django " + s.Name,
		Path:  python,
		Args:  []string{"-m", "gunicorn", "--bind", address, "--workers", "1", "--threads", "4", "stepsite:application"},
		Dir:   ".",
		Env:   []string{"CLOAKROOM_SETTINGS=" + string(settings), "PYTHONDONTWRITEBYTECODE=1"},
		Ready: stack.Answers("http://"+address+"/django/home", ""),
	})
}

// startService starts the service with Django's accounts.
func (s *site) startService(ctx context.Context, port int) (*stack.Process, error) {
	accounts := "auto"
	if database, ok := s.settings["DATABASES"].(map[string]any)["default"].(map[string]any)["NAME"].(string); ok && s.settings["SESSION_ENGINE"] != backends+"db" {
		accounts = "sqlite://" + database
	}
	return stack.StartService(ctx, stack.ServiceConfig{Port: port, Store: s.store, SecretKey: secretKey, Token: token, Args: []string{"--accounts", accounts}})
}
