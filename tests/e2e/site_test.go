// Package e2e tests the whole: real Envoy with envoy/bootstrap.yaml, real
// Django with its own login and logout, the session service, and a Go service
// that knows nothing of Django.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/tests/stack"
)

const (
	secretKey = "the tests' SECRET_KEY, long enough for Django"
	token     = "the tests' token"
)

// site is the demonstration, started once for all tests.
type site struct {
	envoy   *stack.Envoy
	service *stack.Process
	store   string
	ports   map[int]int // as in envoy/bootstrap.yaml → as they are
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
	root, err := stack.Root()
	if err != nil {
		return nil, err
	}
	free, err := stack.FreePorts(5)
	if err != nil {
		return nil, err
	}
	database := filepath.Join(dir, "db.sqlite3")
	s := &site{store: "sqlite://" + database, ports: map[int]int{}}
	for i, port := range []int{10000, 9901, 8000, 8002, 8081} {
		s.ports[port] = free[i]
	}
	django, err := stack.StartDjango(ctx, stack.DjangoConfig{Port: s.ports[8000], Database: database, SecretKey: secretKey})
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
	whoami, err := stack.StartWhoami(ctx, binary, s.ports[8002], nil)
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, whoami.Stop)
	bootstrap, err := os.ReadFile(filepath.Join(root, "envoy", "bootstrap.yaml"))
	if err != nil {
		return s, err
	}
	s.envoy, err = stack.StartEnvoy(ctx, stack.EnvoyConfig{
		Version: stack.Envoy140, Bootstrap: stack.ReplacePorts(string(bootstrap), s.ports),
		AdminPort: s.ports[9901], Env: []string{"CLOAKROOM_TOKEN=" + token},
	})
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, s.envoy.Stop)
	return s, nil
}

func (s *site) startService(ctx context.Context) (err error) {
	s.service, err = stack.StartService(ctx, stack.ServiceConfig{
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

// url is a path behind Envoy; direct is one of a part itself.
func (s *site) url(path string) string { return s.direct(10000, path) }
func (s *site) direct(port int, path string) string {
	return "http://127.0.0.1:" + strconv.Itoa(s.ports[port]) + path
}

// visitor is a browser of a sort: it keeps cookies and follows no redirect.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type response struct {
	status int
	header http.Header
	body   string
}

// do sends a request; form, unless nil, is posted.
func (v *visitor) do(address string, form url.Values, headers ...string) response {
	v.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	request, err := http.NewRequest(method, address, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("Accept", "*/*")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return response{answer.StatusCode, answer.Header, string(text)}
}

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// csrf gets a page and gives the token in its form.
func (v *visitor) csrf(path string) string {
	v.t.Helper()
	page := v.do(theSite.url(path), nil)
	match := csrfField.FindStringSubmatch(page.body)
	if page.status != http.StatusOK || match == nil {
		v.t.Fatalf("GET %s: %d, no form with a CSRF token in %.200q", path, page.status, page.body)
	}
	return match[1]
}

// login goes through Django's own login view and gives the session's key.
func (v *visitor) login() string {
	v.t.Helper()
	form := url.Values{
		"csrfmiddlewaretoken": {v.csrf("/login/?next=/go/whoami")},
		"username":            {"demo"}, "password": {"cloakroom"}, "next": {"/go/whoami"},
	}
	answer := v.do(theSite.url("/login/"), form, "Origin", theSite.url(""))
	if answer.status != http.StatusFound || answer.header.Get("Location") != "/go/whoami" {
		v.t.Fatalf("login: %d to %q, want 302 to /go/whoami", answer.status, answer.header.Get("Location"))
	}
	key := v.key()
	if key == "" {
		v.t.Fatal("login: no session cookie")
	}
	return key
}

// key is the session cookie's value; empty if there is none.
func (v *visitor) key() string {
	here, err := url.Parse(theSite.url("/"))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, cookie := range v.client.Jar.Cookies(here) {
		if cookie.Name == "sessionid" {
			return cookie.Value
		}
	}
	return ""
}

// with is a visitor who sends one key, whatever the site says.
func with(t *testing.T, key string) func(path string, headers ...string) response {
	v := newVisitor(t)
	v.client.Jar = nil
	return func(path string, headers ...string) response {
		t.Helper()
		return v.do(theSite.url(path), nil, append(headers, "Cookie", "sessionid="+key)...)
	}
}

// decode reads a JSON answer.
func decode[T any](t *testing.T, r response) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		t.Fatalf("status %d: %v in %.200q", r.status, err, r.body)
	}
	return value
}
