// Package pgbouncer proves that the db engine on PostgreSQL works behind PgBouncer, with Envoy,
// Django and the session service.
package pgbouncer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cloakroom/filter/worker"
	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/postgres"
)

const (
	secretKey = "PgBouncer's SECRET_KEY, long enough for Django"
	token     = "PgBouncer's token"
	// patience bounds what has to come in the end.
	patience = 60 * time.Second
	// clients send requests at the same time.
	clients = 32
	each    = 25
)

var server *testenv.Postgres

func TestMain(m *testing.M) {
	var err error
	if server, err = testenv.StartPostgres(context.Background(), testenv.PostgresConfig{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = server.Stop()
	os.Exit(code)
}

// bouncers returns the versions of PgBouncer that make setup has made.
func bouncers(t *testing.T) []testenv.PgBouncerVersion {
	t.Helper()
	versions, err := testenv.PgBouncers()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(versions) > 0:
	case os.Getenv("CI") == "true":
		t.Fatal("there is no PgBouncer: run make setup, where apt-get and dpkg are")
	default:
		message := "PgBouncer is left out: there is none; make setup takes it from Debian's packages"
		if err := testenv.Summarize("pgbouncer", "!!! "+message); err != nil {
			t.Fatal(err)
		}
		t.Skip(message)
	}
	return versions
}

type setting struct {
	name     string
	mode     string
	settings []string
	query    string // of the store's URL
	// polls says that the feed polls; prepared that statements are prepared.
	polls, prepared bool
	// follows says that the PgBouncer has to be one that can follow prepared statements.
	follows bool
}

var settings = []setting{
	{name: "transaction", mode: "transaction", polls: true},
	{name: "transaction without prepared statements", mode: "transaction", settings: []string{"max_prepared_statements = 0"}, polls: true, follows: true},
	{name: "transaction with prepared statements", mode: "transaction", settings: []string{"max_prepared_statements = 100"}, query: "?default_query_exec_mode=cache_statement", polls: true, prepared: true, follows: true},
	{name: "session", mode: "session", settings: []string{"default_pool_size = 40"}},
}

// TestPgBouncer has hundreds of requests at the same time, with sessions that Django makes and
// changes meanwhile, all through PgBouncer: none fails. What is revoked is refused in time.
func TestPgBouncer(t *testing.T) {
	for _, version := range bouncers(t) {
		for _, c := range settings {
			if c.follows && !version.FollowsPrepared {
				continue
			}
			t.Run(version.Name+", "+c.name, func(t *testing.T) { testSite(t, version.Name, c) })
		}
	}
}

func testSite(t *testing.T, version string, c setting) {
	bouncer, err := testenv.StartPgBouncer(context.WithoutCancel(t.Context()), testenv.PgBouncerConfig{Version: version, Database: server, Mode: c.mode, Settings: c.settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bouncer.Stop() })
	s := startSite(t, bouncer, c.query)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the session service:\n%s\nPgBouncer:\n%s", s.Replicas[0].LogTail(20), bouncer.LogTail(20))
		}
	})
	s.notices(t, c)

	var failed atomic.Int64
	var last atomic.Value
	var working sync.WaitGroup
	for client := range clients {
		working.Go(func() {
			cookie := s.login(t, 1+client%20)
			for i := range each {
				path, want := "/django/meta", strconv.Quote(strconv.Itoa(1+client%20))
				if i%5 == 4 {
					path, want = "/django/store", "stored"
				}
				status, body, err := s.get(t.Context(), path, cookie)
				if err != nil || status != http.StatusOK || !strings.Contains(body, want) {
					failed.Add(1)
					last.Store(fmt.Sprintf("%s: %d, %v, %.200q, want %s", path, status, err, body, want))
				}
			}
		})
	}
	working.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last: %v", n, clients*each, last.Load())
	}
	s.revoke(t, bouncer)
}

// TestConformance has a store and its feed behind a PgBouncer that shares connections.
func TestConformance(t *testing.T) {
	for _, version := range bouncers(t) {
		t.Run(version.Name, func(t *testing.T) { testConformance(t, version.Name) })
	}
}

func testConformance(t *testing.T, version string) {
	bouncer, err := testenv.StartPgBouncer(context.WithoutCancel(t.Context()), testenv.PgBouncerConfig{
		Version: version, Database: server, Mode: "transaction", Settings: []string{"server_idle_timeout = 1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bouncer.Stop() })
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	n := 0
	database := func(t *testing.T) string {
		n++
		name := fmt.Sprintf("%s%d", version, n)
		if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		return bouncer.URL(name)
	}
	open := func(t *testing.T, url string, now func() time.Time) *postgres.Store {
		s, err := postgres.Open(t.Context(), url, postgres.Options{Codec: codec, Create: true, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Store { return open(t, database(t), now) })
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.OpenFeed {
		url := database(t)
		return func(t *testing.T) session.Feed {
			f, err := open(t, url, time.Now).Feed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
	})
}

// site is Envoy, Django and the session service on one PgBouncer.
type site struct {
	*testenv.Site
	client *http.Client
}

func startSite(t *testing.T, bouncer *testenv.PgBouncer, query string) *site {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	app, err := testenv.StartDjangoSite(ctx, testenv.Engine{Name: "PgBouncer", Settings: map[string]any{
		"SECRET_KEY": secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends.db",
		"DATABASES": map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": bouncer.Port, "CONN_MAX_AGE": nil,
			"NAME": "postgres", "USER": "postgres", "PASSWORD": server.Password(), "DISABLE_SERVER_SIDE_CURSORS": true,
		}},
	}}, ports[0], 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Stop() })
	return &site{
		Site: testenv.NewSite(t, testenv.SiteConfig{
			Replicas: 1, Service: testenv.ServiceConfig{Store: bouncer.URL("postgres") + query, SecretKey: secretKey, Token: token},
			FilterConfig: testenv.FilterConfig{
				Workers: 2, Upstream: ports[0],
				Routes: []testenv.FilterRoute{
					{Name: "cached", Prefix: "/django/private/"},
					{Name: "all", Prefix: "/"},
				},
				Config: map[string]any{
					"mode": "optional", "cookie": map[string]any{"secure": false},
					"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "5s", "cache": map[string]any{"ttl": "30s"}}},
					"routes": map[string]any{
						"all":    map[string]any{"engine": map[string]any{"service": map[string]any{"cache": map[string]any{"ttl": "0s"}}}},
						"cached": map[string]any{"mode": "required", "on_missing": "deny"},
					},
				},
			},
		}),
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: clients},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get sends a request with a session's cookie.
func (s *site) get(ctx context.Context, path, cookie string) (status int, body string, err error) {
	response, err := s.send(ctx, path, cookie)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func (s *site) send(ctx context.Context, path, cookie string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Bases[0]+path, nil)
	if err != nil {
		return nil, err
	}
	if cookie != "" {
		request.Header.Set("Cookie", "sessionid="+cookie)
	}
	return s.client.Do(request)
}

// login has Django log a user in, and returns the session's key.
func (s *site) login(t *testing.T, user int) string {
	response, err := s.send(t.Context(), "/django/login?user="+strconv.Itoa(user), "")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	for _, c := range response.Cookies() {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	t.Errorf("the login of user %d: %s, no cookie", user, response.Status)
	return ""
}

// notices checks what /readyz, the log and doctor say, once the feed has decided.
func (s *site) notices(t *testing.T, c setting) {
	t.Helper()
	var ready struct{ Notices []string }
	want := map[string]bool{"the feed polls its table": c.polls, "statements are not prepared": !c.prepared}
	wrong := func() (found []string) {
		response, err := http.Get("http://127.0.0.1:" + strconv.Itoa(s.Ports[0]) + "/readyz")
		if err != nil {
			return []string{err.Error()}
		}
		defer response.Body.Close()
		ready.Notices = nil
		if err := json.NewDecoder(response.Body).Decode(&ready); err != nil {
			return []string{err.Error()}
		}
		for text, is := range want {
			if strings.Contains(strings.Join(ready.Notices, "\n"), text) != is {
				found = append(found, fmt.Sprintf("%q is said: %v", text, !is))
			}
			if is && !strings.Contains(s.Replicas[0].Log(), text) {
				found = append(found, fmt.Sprintf("%q is not logged", text))
			}
		}
		return found
	}
	for end := time.Now().Add(patience); len(wrong()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("/readyz and the log: %v", wrong())
		}
	}
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	doctor := exec.CommandContext(t.Context(), cloakroom, "doctor", "--admin", "http://127.0.0.1:"+strconv.Itoa(s.Admins[0]))
	doctor.Env = append(os.Environ(), "CLOAKROOM_TOKEN="+token)
	text, err := doctor.CombinedOutput()
	for note, is := range want {
		if strings.Contains(string(text), note) != is {
			t.Errorf("cloakroom doctor, %v: %s; %q is to be said: %v", err, text, note, is)
		}
	}
	for text, is := range want {
		if n := strings.Count(s.Replicas[0].Log(), text); is && n != 1 {
			t.Errorf("%q is logged %d times", text, n)
		}
	}
}

// revoke ends a session that both workers have cached, by the command line.
func (s *site) revoke(t *testing.T, bouncer *testenv.PgBouncer) {
	t.Helper()
	cookie := s.login(t, 25)
	const private = "/django/private/read"
	before := s.callouts(t)
	const uses = 200
	for range uses {
		if status, body, err := s.get(t.Context(), private, cookie); err != nil || status != http.StatusOK {
			t.Fatalf("before: %d, %v, %.200q", status, err, body)
		}
	}
	if n := s.callouts(t) - before; n > uses/2 {
		t.Errorf("%d requests made %d callouts: the session is not cached", uses, n)
	}
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	revoke := exec.CommandContext(t.Context(), cloakroom, "sessions", "revoke", "--store", bouncer.URL("postgres"), "--user", "25")
	revoke.Env = append(os.Environ(), "CLOAKROOM_SECRET_KEY="+secretKey)
	if text, err := revoke.CombinedOutput(); err != nil || !strings.Contains(string(text), "revoked 1 session") {
		t.Fatalf("sessions revoke: %v: %s", err, text)
	}
	start := time.Now()
	for refused := 0; refused < 50; {
		status, body, err := s.get(t.Context(), private, cookie)
		switch {
		case err == nil && status == http.StatusUnauthorized:
			refused++
		case err != nil || status != http.StatusOK:
			t.Fatalf("after: %d, %v, %.200q", status, err, body)
		default:
			if refused = 0; time.Since(start) > worker.MaxFeedSilence {
				t.Fatalf("the session is admitted %s after its revocation", time.Since(start))
			}
		}
	}
	t.Logf("refused by all %s after the revocation, and 50 requests", time.Since(start).Round(time.Millisecond))
}

func (s *site) callouts(t *testing.T) uint64 {
	t.Helper()
	n, err := s.Envoys[0].Stat(t.Context(), "wasmcustom.cloakroom.callouts")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestStatementMode is refused with what to do: sessions need transactions.
func TestStatementMode(t *testing.T) {
	for _, version := range bouncers(t) {
		bouncer, err := testenv.StartPgBouncer(context.WithoutCancel(t.Context()), testenv.PgBouncerConfig{Version: version.Name, Database: server, Mode: "statement"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bouncer.Stop() })
		cloakroom, err := testenv.Cloakroom()
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0", "--accounts", "off"}, {"migrate"}, {"sessions", "list"}} {
			command := exec.CommandContext(t.Context(), cloakroom, append(args, "--store", bouncer.URL("postgres"))...)
			command.Env = append(os.Environ(), "CLOAKROOM_SECRET_KEY="+secretKey, "CLOAKROOM_TOKEN="+token)
			text, err := command.CombinedOutput()
			if want := "pool_mode must be transaction or session"; err == nil || !strings.Contains(string(text), want) {
				t.Errorf("%s, %v: %v, %s; want %q", version.Name, args, err, text, want)
			}
		}
	}
}
