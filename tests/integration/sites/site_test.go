// Package sites has Django sites as people run them: other user models, routers, schemas, and well-known packages.
// Each is served by real Envoy and the session service as `cloakroom config from-django` prints them, with a Go
// service beside Django.
package sites

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

const (
	token    = "the-sites-token"
	ann      = "ann@example.com" // the first account
	password = "a sécret ß"
)

// config says what a site is.
type config struct {
	settings string // the module in django
	python   string // empty: that of build/venv
	version  string // Envoy's; empty: 1.40
	env      []string
	login    string // path of the login page; empty: /login/
	// accounts are the names of those that are made.
	accounts []string
	// args are more arguments of from-django.
	args []string
}

// site is a running site.
type site struct {
	config
	project     testenv.Project
	printed     *testenv.Printed
	port, admin int
	servicePort int
	djangoPort  int
	envoy       *testenv.Envoy
	// ids are those of the accounts.
	ids []string
	// password is that of the first account.
	password string
}

// start runs a site until the test ends.
func start(t *testing.T, c config) *site {
	t.Helper()
	ports, err := testenv.FreePorts(4)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{config: c, port: ports[0], admin: ports[1], servicePort: ports[2], djangoPort: ports[3]}
	s.project = testenv.Project{
		Dir: folder(t), Python: c.python, WSGI: "wsgi",
		Env: append(c.env, "DJANGO_SETTINGS_MODULE="+c.settings, "SITE_DIR="+t.TempDir(), fmt.Sprintf("SITE_ORIGIN=http://127.0.0.1:%d", s.port)),
	}
	s.password, s.login = password, cmp.Or(c.login, "/login/")
	printed := strings.Fields(s.manage(t, append([]string{"prepare", "--password", password}, c.accounts...)...))
	s.ids = printed[len(printed)-len(c.accounts):] // after what django-tenants prints
	s.printed, err = s.project.FromDjango(t.Context(), append([]string{c.settings,
		"--port", strconv.Itoa(s.port), "--admin-port", strconv.Itoa(s.admin),
		"--app", local(s.djangoPort), "--service", local(s.servicePort)}, c.args...)...)
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t)
	return s
}

// folder returns that of the projects.
func folder(t *testing.T) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "tests", "integration", "sites", "django")
}

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// serve starts the processes, in their order.
func (s *site) serve(t *testing.T) {
	t.Helper()
	stop := func(p *testenv.Process, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = p.Stop()
			if t.Failed() {
				t.Logf("%s:\n%s", p.Name(), p.LogTail(25))
			}
		})
	}
	stop(s.project.Serve(t.Context(), s.djangoPort, s.login, nil))
	stop(s.printed.StartService(t.Context(), s.servicePort, token))
	service := httptest.NewServer(http.HandlerFunc(whoami))
	t.Cleanup(service.Close)
	var err error
	s.envoy, err = testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
		Version: cmp.Or(s.version, testenv.Envoy140), Bootstrap: withService(t, s.printed.Text, service.Listener.Addr()), AdminPort: s.admin,
		Env: []string{"CLOAKROOM_TOKEN=" + token},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop(s.envoy.Process, nil)
}

// whoami is a service that knows nothing of Django.
func whoami(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(r.Header.Values("X-User-Id"))
}

// withService adds the route /go/ and its cluster to a bootstrap, as its reader would.
func withService(t *testing.T, bootstrap string, address net.Addr) string {
	t.Helper()
	const route, cluster = "              - name: app\n", "  clusters:\n"
	if strings.Count(bootstrap, route) != 1 || strings.Count(bootstrap, cluster) != 1 {
		t.Fatalf("there is no place for another route in\n%s", bootstrap)
	}
	host, port, _ := net.SplitHostPort(address.String())
	return strings.NewReplacer(
		route, "              - {name: go, match: {prefix: /go/}, metadata: {filter_metadata: {cloakroom: {mode: required}}}, route: {cluster: go}}\n"+route,
		cluster, fmt.Sprintf("%s  - {name: go, type: STATIC, load_assignment: {cluster_name: go, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %s, port_value: %s}}}}]}]}}\n", cluster, host, port),
	).Replace(bootstrap)
}

// manage runs manage.py.
func (s *site) manage(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.project.Manage(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// url is that of a path behind Envoy.
func (s *site) url(path string) string { return "http://" + local(s.port) + path }

// visitor is a browser of a sort, at one site.
type visitor struct {
	*testenv.Visitor
	s *site
}

func (s *site) visitor(t *testing.T) *visitor { return &visitor{testenv.NewVisitor(t), s} }

// page gets a page as a browser does.
func (v *visitor) page(path string) testenv.Response {
	v.T.Helper()
	return v.Do(v.s.url(path), nil, "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
}

// post sends the form of a page: fields are names and values.
func (v *visitor) post(path string, fields ...string) testenv.Response {
	v.T.Helper()
	return v.send(path, path, fields...)
}

// send sends fields with the token of a page's form to a path.
func (v *visitor) send(page, path string, fields ...string) testenv.Response {
	v.T.Helper()
	form := url.Values{"csrfmiddlewaretoken": {v.CSRF(v.s.url(page))}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return v.Do(v.s.url(path), form, "Origin", v.s.url(""), "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
}

// login logs in at Django's LoginView, and returns the session's key.
func (v *visitor) login(path, name, password string) string {
	v.T.Helper()
	if got := v.post(path, "username", name, "password", password); got.Status != http.StatusFound {
		v.T.Fatalf("login: got %d %.500q, want 302", got.Status, got.Body)
	}
	return v.key()
}

// key returns the session cookie's value.
func (v *visitor) key() string { return v.Cookie(v.s.url("/"), "sessionid") }

// user returns whom the Go service sees.
func (v *visitor) user() string {
	v.T.Helper()
	got := v.Do(v.s.url("/go/whoami"), nil, "X-User-Id", "forged")
	var users []string
	if err := json.Unmarshal([]byte(got.Body), &users); err != nil || got.Status != http.StatusOK || len(users) != 1 {
		v.T.Fatalf("/go/whoami: got %d %.200q, want one user", got.Status, got.Body)
	}
	return users[0]
}

// refuses checks that a cookie is refused by the edge for Django and for the Go service: pages are led
// to the login page, scripts get 401. An empty key is no cookie.
func (s *site) refuses(t *testing.T, path, login, key string) {
	t.Helper()
	v := s.visitor(t)
	v.Client.Jar = nil
	cookie := []string{"Accept", "*/*"}
	if key != "" {
		cookie = append(cookie, "Cookie", "sessionid="+key)
	}
	page := v.Do(s.url(path), nil, append(cookie, "Sec-Fetch-Mode", "navigate")...)
	byDjango := page.Header.Get("X-Envoy-Upstream-Service-Time") != "" // which Envoy adds to responses of others
	if want := login + "?next=" + path; page.Status != http.StatusFound || page.Header.Get("Location") != want || byDjango {
		t.Errorf("%s: got %d to %q (by Django: %v), want 302 to %q by the filter", path, page.Status, page.Header.Get("Location"), byDjango, want)
	}
	if script := v.Do(s.url("/go/whoami"), nil, append(cookie, "Sec-Fetch-Mode", "cors")...); script.Status != http.StatusUnauthorized {
		t.Errorf("/go/whoami: got %d, want 401", script.Status)
	}
}

// strangers checks that requests without a session, or with one that is none, are refused.
func (s *site) strangers(t *testing.T, path, login string) {
	t.Helper()
	s.refuses(t, path, login, "")
	s.refuses(t, path, login, "0123456789abcdefghijklmnopqrstuv")
	s.refuses(t, path, login, "'")
}

var storeFlags = regexp.MustCompile(`--(store|users|user-columns) ('[^']*'|\S+)`)

// sessions runs cloakroom sessions on the site's store, with what is printed for cloakroom serve.
func (s *site) sessions(t *testing.T, command string) string {
	t.Helper()
	flags := storeFlags.FindAllString(s.printed.Commands[1], -1)
	out, err := s.printed.Run(context.Background(), "cloakroom sessions "+command+" "+strings.Join(flags, " "), token)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ending is a way in which a session ends.
type ending struct {
	name string
	end  func(v *visitor)
}

func (s *site) logout() ending {
	return ending{"logout", func(v *visitor) { v.send("/", "/logout/") }}
}

func (s *site) newPassword(t *testing.T) ending {
	return ending{"new password", func(*visitor) {
		s.password = "another"
		s.manage(t, "account", ann, "--password", s.password)
	}}
}

// inactive has to be the last one.
func (s *site) inactive(t *testing.T) ending {
	return ending{"inactive", func(*visitor) { s.manage(t, "account", ann, "--inactive") }}
}

// ends logs the first account in for each ending, checks whom Django and the Go service see, ends the
// session, and checks that its cookie is refused.
func (s *site) ends(t *testing.T, endings ...ending) {
	t.Helper()
	for _, e := range endings {
		t.Log(e.name)
		v := s.visitor(t)
		key := v.login(s.login, ann, s.password)
		if got := v.page("/"); !strings.Contains(got.Body, "You are "+ann+" ("+s.ids[0]+")") {
			t.Errorf("Django: got %d %.200q, want the page of %s", got.Status, got.Body, s.ids[0])
		}
		if got := v.user(); got != s.ids[0] {
			t.Errorf("the Go service: got user %q, want %q", got, s.ids[0])
		}
		e.end(v)
		s.refuses(t, "/", "/login/", key)
	}
}

var background = context.Background()

func TestMain(m *testing.M) {
	code := m.Run()
	if server, err := postgres(); err == nil {
		_ = server.Stop()
	}
	os.Exit(code)
}
