// Package audit tests the audit log on the whole: real Envoys, real Django, a service without
// Django, the session service and the command line, which write one file.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/rawjson"
	"cloakroom/store"
)

const (
	secretKey = "the audit's SECRET_KEY, long enough for Django"
	token     = "the audit's token"
	// patience is the deadline of polling.
	patience = 30 * time.Second
)

// site is two Envoys before Django and a plain service: the first with sessions in the database,
// the second with signed cookies.
type site struct {
	t       *testing.T
	store   string
	file    string // the audit log
	port    int    // the session service's
	service *testenv.Process
	envoys  []*testenv.Envoy
	bases   []string
	secrets map[string]bool // each cookie that any browser had
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx, dir := context.WithoutCancel(t.Context()), t.TempDir()
	ports, err := testenv.FreePorts(6)
	if err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(dir, "db.sqlite3")
	s := &site{t: t, store: "sqlite://" + database, file: filepath.Join(dir, "audit.log"), port: ports[1], secrets: map[string]bool{}}
	django := keep(t)(testenv.StartDjangoSite(ctx, testenv.Engine{Name: "audit", Settings: map[string]any{
		"SECRET_KEY": secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends.db",
		"DATABASES": map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": map[string]any{"timeout": 10, "transaction_mode": "IMMEDIATE"},
		}},
	}}, ports[0], 1))
	s.service = keep(t)(testenv.StartService(ctx, testenv.ServiceConfig{
		Port: s.port, Store: s.store, SecretKey: secretKey, Token: token, Args: []string{"--audit", s.file},
	}))
	upstream := httptest.NewServer(upstreams(ports[0]))
	t.Cleanup(upstream.Close)
	address, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	service := map[string]any{"cluster": "sessions", "token": token, "timeout": "5s"}
	for i, engine := range []struct {
		version string
		engine  map[string]any
	}{
		{testenv.Envoy140, map[string]any{"service": service}},
		{testenv.Envoy136, map[string]any{"service": service, "signed_cookies": map[string]any{"secret_key": secretKey, "revocable": true}}},
	} {
		config := map[string]any{
			"mode": "optional", "accept_updates": true, "engine": engine.engine, "cookie": map[string]any{"secure": false},
			"logout": map[string]any{"path": "/logout"},
		}
		var routes []testenv.FilterRoute
		if i == 0 {
			config["routes"] = map[string]any{
				"cycle":    map[string]any{"expiry": map[string]any{"cycle_every": "10m", "cycle_grace": "0s"}},
				"idle":     map[string]any{"expiry": map[string]any{"idle": "10m"}},
				"absolute": map[string]any{"expiry": map[string]any{"absolute": "10m"}},
			}
			for name := range config["routes"].(map[string]any) {
				routes = append(routes, testenv.FilterRoute{Name: name, Prefix: "/plain/" + name})
			}
			config["routes"].(map[string]any)["cached"] = map[string]any{"engine": map[string]any{"service": map[string]any{"cache": map[string]any{"ttl": "1m"}}}}
			routes = append(routes, testenv.FilterRoute{Name: "cached", Prefix: "/django/private/"})
			routes = append(routes, testenv.FilterRoute{Name: "all", Prefix: "/"})
		}
		envoy, err := testenv.StartFilter(ctx, testenv.FilterConfig{
			Version: engine.version, Workers: 1, Port: ports[2+2*i], Admin: ports[3+2*i], Upstream: port,
			Clusters: map[string][]int{"sessions": {s.port}}, Config: config, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { envoy.Stop() })
		s.envoys = append(s.envoys, envoy)
		s.bases = append(s.bases, "http://127.0.0.1:"+strconv.Itoa(ports[2+2*i]))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service's log:\n%s\nEnvoy's:\n%s\nDjango's:\n%s\nthe audit log:\n%s", s.service.LogTail(40), s.envoys[0].LogTail(40), django.LogTail(40), s.text())
		}
	})
	return s
}

// keep returns a process that ends with the test.
func keep(t *testing.T) func(*testenv.Process, error) *testenv.Process {
	return func(p *testenv.Process, err error) *testenv.Process {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop() })
		return p
	}
}

// upstreams serves a plain service, which answers with the headers that the query names, and
// passes the rest to Django.
func upstreams(django int) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(django)}))
	mux.HandleFunc("/plain/", func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.URL.Query() {
			w.Header().Set(name, values[0])
		}
		fmt.Fprint(w, r.Header.Get("X-User-Id"))
	})
	return mux
}

// browser is a minimal browser before one of the Envoys.
type browser struct {
	s      *site
	base   string
	cookie string
}

func (s *site) browser(envoy int) *browser { return &browser{s: s, base: s.bases[envoy]} }

// get sends a request and keeps the cookie of the response. It returns the body.
func (b *browser) get(path string, want int, headers ...string) string {
	b.s.t.Helper()
	return b.send(http.MethodGet, path, want, headers...)
}

func (b *browser) send(method, path string, want int, headers ...string) string {
	b.s.t.Helper()
	v := testenv.NewVisitor(b.s.t)
	v.Client.Jar = nil
	headers = append([]string{"Sec-Fetch-Mode", "cors"}, headers...)
	if b.cookie != "" {
		headers = append(headers, "Cookie", "sessionid="+b.cookie)
	}
	var form url.Values
	if method == http.MethodPost {
		form = url.Values{}
	}
	r := v.Do(b.base+path, form, headers...)
	if r.Status != want {
		b.s.t.Fatalf("%s %s: %d, want %d: %.200s", method, path, r.Status, want, r.Body)
	}
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		if c.Name == "sessionid" {
			if b.cookie = c.Value; c.Value != "" {
				b.s.secrets[c.Value] = true
			}
		}
	}
	return r.Body
}

// login logs a user in by the plain service.
func (b *browser) login(user int, headers ...string) *browser {
	b.s.t.Helper()
	b.get("/plain/?x-session-login="+strconv.Itoa(user), 200, headers...)
	return b
}

// age writes into a session that it began, and was last used, an hour ago.
func (s *site) age(key string) {
	s.t.Helper()
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		s.t.Fatal(err)
	}
	sessions, err := store.Open(s.t.Context(), s.store, store.Options{Codec: codec})
	if err != nil {
		s.t.Fatal(err)
	}
	defer sessions.Close()
	_, err = sessions.Update(s.t.Context(), key, func(v session.Session) (session.Session, error) {
		at := time.Now().Add(-time.Hour).Unix()
		v.Data = []byte(rawjson.MergePatch(string(v.Data), fmt.Sprintf(`{%q:%d,%q:%d}`, session.CreatedKey, at, session.SeenKey, at)))
		return v, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// post calls the session service's API, as an operator does.
func (s *site) post(path string, body any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(s.port)+path, strings.NewReader(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, response.Status)
	}
}

// command runs the command line with the same audit log.
func (s *site) command(stdin string, args ...string) {
	s.t.Helper()
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), cloakroom, append(args, "--store", s.store, "--audit", s.file)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "CLOAKROOM_SECRET_KEY="+secretKey)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("cloakroom %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (s *site) text() string {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// fields are what is wanted of a line: each field has to be there with its value; "*" is any value.
type fields map[string]any

// events returns the lines that have the fields.
func (s *site) events(want fields) (all []map[string]any) {
	s.t.Helper()
	for line := range strings.Lines(s.text()) {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			s.t.Fatalf("%v in %q", err, line)
		}
		if has(got, want) {
			all = append(all, got)
		}
	}
	return all
}

func has(got map[string]any, want fields) bool {
	for name, value := range want {
		if v, ok := got[name]; !ok || value != "*" && fmt.Sprint(v) != fmt.Sprint(value) {
			return false
		}
	}
	return true
}

// wrote waits until the log has as many lines with the fields, and checks that it has no more.
func (s *site) wrote(n int, want fields) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := s.events(want)
		if len(got) == n {
			return
		}
		if len(got) > n || time.Now().After(deadline) {
			s.t.Errorf("%d lines with %v, want %d: %v", len(got), maps.Clone(want), n, got)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
