// Package steps goes through Django's session framework step by step, for each engine, through
// real Envoy: once with Django as the upstream, once with a Go service that uses headers only,
// each checking what the other did.
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
	"strconv"
	"testing"
	"text/template"

	"cloakroom/internal/testenv"
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
	testenv.Engine
	Port   int    // Envoy's
	Django string // the cluster
	Config string
}

var (
	sites []*site
	envoy *testenv.Envoy
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
	postgres, err := testenv.StartPostgres(ctx, testenv.PostgresConfig{})
	if err != nil {
		return 1, err
	}
	defer postgres.Stop()
	redis, err := testenv.StartRedis(ctx, testenv.RedisConfig{Server: testenv.Valkey})
	if err != nil {
		return 1, err
	}
	defer redis.Stop()
	engines, err := testenv.Engines(dir, secretKey, postgres, redis)
	if err != nil {
		return 1, err
	}
	for i, e := range engines {
		sites = append(sites, &site{Engine: e, Django: "django-" + strconv.Itoa(i)})
	}
	stop, err := startSites(ctx)
	defer stop()
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// startSites starts all servers that the sites need.
func startSites(ctx context.Context) (stop func(), err error) {
	var stops []func() error
	stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			_ = stops[i]()
		}
	}
	ports, err := testenv.FreePorts(3*len(sites) + 1)
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
		django, err := testenv.StartDjangoSite(ctx, s.Engine, port, 1)
		if err != nil {
			return stop, fmt.Errorf("%s: %w", s.Name, err)
		}
		stops = append(stops, django.Stop)
		if s.Store != "" {
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
	wasm, err := testenv.Wasm()
	if err != nil {
		return stop, err
	}
	var text bytes.Buffer
	if err := bootstrap.Execute(&text, map[string]any{"AdminPort": admin, "Wasm": wasm, "Sites": sites, "Clusters": clusters}); err != nil {
		return stop, err
	}
	if envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyConfig{Version: testenv.Envoy140, Bootstrap: text.String(), AdminPort: admin}); err != nil {
		return stop, err
	}
	stops = append(stops, envoy.Stop)
	return stop, nil
}

// config returns the filter's configuration.
func (s *site) config() (string, error) {
	engine := map[string]any{"service": map[string]any{"cluster": "sessions-" + s.Django, "token": token, "timeout": "2s"}}
	if s.Store == "" {
		engine = map[string]any{"signed_cookies": map[string]any{"secret_key": secretKey}}
	}
	text, err := json.Marshal(map[string]any{
		"mode":     "optional",
		"engine":   engine,
		"cookie":   map[string]any{"secure": false},
		"identity": map[string]any{"data_keys": []string{"username"}},
		"routes": map[string]any{
			"go":      map[string]any{"accept_updates": true, "forward_cookie": false},
			"private": map[string]any{"mode": "required", "accept_updates": true},
		},
	})
	return string(text), err
}

// startService starts the service with Django's accounts.
func (s *site) startService(ctx context.Context, port int) (*testenv.Process, error) {
	return testenv.StartService(ctx, testenv.ServiceConfig{
		Port: port, Store: s.Store, SecretKey: secretKey, Token: token, Args: []string{"--accounts", s.Accounts},
	})
}
