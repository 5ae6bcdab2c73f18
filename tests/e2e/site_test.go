// Package e2e tests the whole: real Envoy with envoy/bootstrap.yaml, real Django with its own
// login and logout, the session service, and a Go service without any Django.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"cloakroom/internal/testenv"
)

const (
	secretKey = "the tests' SECRET_KEY, long enough for Django"
	token     = "the tests' token"
)

// site is the demonstration, started once for all tests.
type site struct {
	envoy   *testenv.Envoy
	service *testenv.Process
	store   string
	ports   map[int]int // from those in envoy/bootstrap.yaml to those in use
	stops   []func() error
}

var theSite *site

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "cloakroom-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	theSite, err = startSite(context.Background(), dir)
	if theSite != nil {
		defer theSite.stop()
	}
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func startSite(ctx context.Context, dir string) (*site, error) {
	root, err := testenv.Root()
	if err != nil {
		return nil, err
	}
	free, err := testenv.FreePorts(5)
	if err != nil {
		return nil, err
	}
	database := filepath.Join(dir, "db.sqlite3")
	s := &site{store: "sqlite://" + database, ports: map[int]int{}}
	for i, port := range []int{10000, 9901, 8000, 8002, 8081} {
		s.ports[port] = free[i]
	}
	django, err := testenv.StartDjango(ctx, testenv.DjangoConfig{Port: s.ports[8000], Database: database, SecretKey: secretKey})
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, django.Stop)
	if err := s.startService(ctx); err != nil {
		return s, err
	}
	binary := filepath.Join(dir, "whoami")
	build := exec.Command("go", "build", "-o", binary, "./demo/whoami")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return s, fmt.Errorf("demo/whoami: %w\n%s", err, out)
	}
	whoami, err := testenv.StartWhoami(ctx, binary, s.ports[8002], nil)
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, whoami.Stop)
	bootstrap, err := os.ReadFile(filepath.Join(root, "envoy", "bootstrap.yaml"))
	if err != nil {
		return s, err
	}
	s.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyConfig{
		Version: testenv.Envoy140, Bootstrap: testenv.ReplacePorts(string(bootstrap), s.ports),
		AdminPort: s.ports[9901], Env: []string{"CLOAKROOM_TOKEN=" + token},
	})
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, s.envoy.Stop)
	return s, nil
}

func (s *site) startService(ctx context.Context) (err error) {
	s.service, err = testenv.StartService(ctx, testenv.ServiceConfig{
		Port: s.ports[8081], Store: s.store, SecretKey: secretKey, Token: token,
	})
	return err
}

func (s *site) stop() {
	if s.service != nil {
		_ = s.service.Stop()
	}
	for i := len(s.stops) - 1; i >= 0; i-- {
		_ = s.stops[i]()
	}
}

// url returns the URL of a path behind Envoy; direct that of a path of a part itself.
func (s *site) url(path string) string { return s.direct(10000, path) }
func (s *site) direct(port int, path string) string {
	return "http://127.0.0.1:" + strconv.Itoa(s.ports[port]) + path
}

// visitor is a testenv.Visitor of the site.
type visitor struct{ *testenv.Visitor }

func newVisitor(t *testing.T) *visitor { return &visitor{testenv.NewVisitor(t)} }

// login logs demo in and returns the session's key.
func (v *visitor) login() string {
	v.T.Helper()
	return v.loginAs("demo")
}

// loginAs logs a user in through Django's own login view and returns the session's key.
func (v *visitor) loginAs(name string) string {
	v.T.Helper()
	form := url.Values{
		"csrfmiddlewaretoken": {v.CSRF(theSite.url("/login/?next=/go/whoami"))},
		"username":            {name}, "password": {"cloakroom"}, "next": {"/go/whoami"},
	}
	answer := v.Do(theSite.url("/login/"), form, "Origin", theSite.url(""))
	if answer.Status != http.StatusFound || answer.Header.Get("Location") != "/go/whoami" {
		v.T.Fatalf("login: %d to %q, want 302 to /go/whoami", answer.Status, answer.Header.Get("Location"))
	}
	key := v.key()
	if key == "" {
		v.T.Fatal("login: no session cookie")
	}
	return key
}

// key returns the session cookie's value, or "" if there is none.
func (v *visitor) key() string { return v.Cookie(theSite.url("/"), "sessionid") }

// with returns a function that sends requests with one key, whatever cookies the site sets.
func with(t *testing.T, key string) func(path string, headers ...string) testenv.Response {
	v := newVisitor(t)
	v.Client.Jar = nil
	return func(path string, headers ...string) testenv.Response {
		t.Helper()
		return v.Do(theSite.url(path), nil, append(headers, "Cookie", "sessionid="+key)...)
	}
}

// decode decodes a JSON response.
func decode[T any](t *testing.T, r testenv.Response) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), &value); err != nil {
		t.Fatalf("status %d: %v in %.200q", r.Status, err, r.Body)
	}
	return value
}
