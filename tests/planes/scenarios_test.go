package planes

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// cached has the sample's filter cache sessions, close streams of those that end, and wait for a
// session service on a busy machine.
var cached = []string{
	`token: "${CLOAKROOM_TOKEN}"}`, `token: "${CLOAKROOM_TOKEN}", timeout: 5s, cache: {ttl: 30s}}`,
	"expiry: {save_every_request: true", "end_streams: true\n      expiry: {save_every_request: true",
}

// istioCached is the same in the sample for Istio, which is indented otherwise.
var istioCached = []string{
	`token: "${CLOAKROOM_TOKEN}"`, "token: \"${CLOAKROOM_TOKEN}\"\n        timeout: 5s\n        cache: {ttl: 30s}",
	"expiry: {save_every_request: true", "end_streams: true\n    expiry: {save_every_request: true",
}

func TestEnvoyGateway(t *testing.T) {
	s := newSite(t)
	p := startGateway(t, s, s.readManifest(t, "gateway.yaml", append(gatewayHost, cached...)...), testenv.Envoy140, testenv.Envoy136)
	p.scenarios(t, s)
}

func TestIstio(t *testing.T) {
	s := newSite(t)
	p := startIstio(t, s, s.readManifest(t, "istio.yaml", append(istioHTTP, istioCached...)...), testenv.Envoy140, testenv.Envoy136)
	p.scenarios(t, s)
}

// scenarios are what the filter promises, under a control plane.
func (p *plane) scenarios(t *testing.T, s *site) {
	p.ready(t, s)
	for name, do := range map[string]func(*testing.T, *site, *gateway){
		"routes": p.routes, "forged headers": p.forged, "paths": p.paths, "CORS": p.cors, "doctor": p.doctor,
	} {
		for _, g := range p.gateways {
			t.Run(name+", "+g.name, func(t *testing.T) { do(t, s, g) })
		}
	}
	t.Run("revocation", func(t *testing.T) { p.revocation(t, s) })
	t.Run("rotation", func(t *testing.T) { p.rotation(t, s) })
}

// routes checks that each route has its own configuration.
func (p *plane) routes(t *testing.T, s *site, g *gateway) {
	key := s.login(t)
	for _, tt := range []struct {
		path, key      string
		status         int
		user, data     string
		cookie, passes bool
	}{
		{path: "/", status: 401},
		{path: "/", key: key, status: 200, user: "7", cookie: true, passes: true},
		{path: "/polls/", key: strings.Repeat("a", 32), status: 401},
		{path: "/login/", status: 200, passes: true},
		{path: "/login/", key: key, status: 200, user: "7", cookie: true, passes: true},
		{path: "/go/whoami", status: 401},
		{path: "/go/whoami", key: key, status: 200, user: "7", data: `{"cart":[1,2]}`, passes: true},
		{path: "/healthz", status: 200},
	} {
		r := g.get(t, tt.path, tt.key)
		if r.status != tt.status || (r.seen != nil) != tt.passes {
			t.Errorf("%s, session %q: %v, want %d", tt.path, tt.key, r, tt.status)
			continue
		}
		if r.seen == nil {
			continue
		}
		if user, data := r.seen.Header.Get("X-User-Id"), r.seen.Header.Get("X-Session"); user != tt.user || data != tt.data {
			t.Errorf("%s: the service gets x-user-id %q and x-session %q, want %q and %q", tt.path, user, data, tt.user, tt.data)
		}
		if cookie := strings.Contains(r.seen.Header.Get("Cookie"), "sessionid="); cookie != tt.cookie {
			t.Errorf("%s: the service gets the cookie: %v, want %v", tt.path, cookie, tt.cookie)
		}
	}
	page, err := g.send(http.MethodGet, "/polls/", "Sec-Fetch-Mode: navigate", "Accept: text/html")
	if err != nil || page.status != http.StatusFound || page.header.Get("Location") != "/login/?next=/polls/" {
		t.Errorf("a page without a session: %v, %v, want the login page", page, err)
	}
}

// forged sends the identity headers from a client, on every route, in spellings that a service may
// take for them.
func (p *plane) forged(t *testing.T, s *site, g *gateway) {
	key := s.login(t)
	passed := 0
	for _, lines := range [][]string{
		{"x-user-id: 1"}, {"X-User-Id: 1"}, {"X-USER-ID: 1"}, {"x_user_id: 1"}, {"X_User-Id: 1"}, {"x-user_id: 1"},
		{"x-user-id: 1", "x-user-id: 2"}, {"x-user-id: 7, 1"}, {"x-user-id:"}, {"x-session: {\"cart\":[9]}"}, {"X_SESSION: {}"},
		{"x-session-omitted: cart"}, {"x_session_omitted: cart"}, {"x-user-id: 1", "x-session: {}", "x-session-omitted: a"},
		{"Connection: x-user-id", "x-user-id: 1"}, {"x-user-id: 1", "Upgrade: websocket"},
	} {
		for _, path := range []string{"/", "/login/", "/login/form", "/go/whoami", "/healthz", p.corsPath} {
			for _, k := range []string{"", key} {
				r, err := g.send(http.MethodGet, path, append(lines, asScript(k)...)...)
				if err != nil {
					t.Fatal(err)
				}
				if r.seen == nil {
					continue
				}
				passed++
				for name, values := range r.seen.Header {
					folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
					genuine := k != "" && (folded == "x-user-id" && len(values) == 1 && values[0] == "7" || folded == "x-session" && path == "/go/whoami" && values[0] == `{"cart":[1,2]}`)
					if (folded == "x-user-id" || strings.HasPrefix(folded, "x-session")) && !genuine {
						t.Errorf("%s with %q, session %v: the service gets %s: %q", path, lines, k != "", name, values)
					}
				}
			}
		}
	}
	if passed < 20 {
		t.Errorf("%d of the requests reach a service", passed)
	}
}

// cors checks that a preflight is answered, and that scripts of the other origin can read refusals.
func (p *plane) cors(t *testing.T, s *site, g *gateway) {
	const origin = "https://app.example.com"
	lines := []string{"Host: " + p.corsHost, "Origin: " + origin}
	allowed := func(what string, r reply, err error, status int) {
		t.Helper()
		if got := r.header.Values("Access-Control-Allow-Origin"); err != nil || r.status != status || len(got) != 1 || got[0] != origin {
			t.Errorf("%s: %v, %v, want %d for %s", what, r, err, status, origin)
		}
	}
	r, err := g.send(http.MethodOptions, p.corsPath, append(lines, "Access-Control-Request-Method: PUT")...)
	allowed("a preflight", r, err, 200)
	r, err = g.send(http.MethodGet, p.corsPath, append(lines, asScript("")...)...)
	allowed("a request without a session", r, err, 401)
	r, err = g.send(http.MethodGet, p.corsPath, append(lines, asScript(s.login(t))...)...)
	allowed("a request with a session", r, err, 200)
	r, err = g.send(http.MethodOptions, p.corsPath, "Host: "+p.corsHost, "Origin: https://evil.example.com", "Access-Control-Request-Method: PUT")
	if err != nil || r.header.Get("Access-Control-Allow-Origin") != "" || r.seen != nil {
		t.Errorf("a preflight of another origin: %v, %v", r, err)
	}
}

// doctor has `cloakroom doctor` look at a gateway, as the last step of the pages has it.
func (p *plane) doctor(t *testing.T, s *site, g *gateway) {
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), cloakroom, "doctor", "--admin", g.admin, "--cookie", "-")
	c.Env = append(os.Environ(), "CLOAKROOM_TOKEN="+token)
	c.Stdin = strings.NewReader(s.login(t) + "\n")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	for _, want := range []string{"paths are normalized", "has no error", "1 of 1 hosts can be used", "accepts the token", `user "7"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}

// revocation ends sessions that each worker of each gateway has cached, and that have open streams.
func (p *plane) revocation(t *testing.T, s *site) {
	var last, lastBeat latest
	for range 5 {
		key, other := s.login(t), s.login(t)
		var ending, staying []*socket
		for _, g := range p.gateways {
			ending = append(ending, g.open(t, "/live/a", key))
			staying = append(staying, g.open(t, "/live/b", other))
			for range 20 {
				if err := g.status("/", key, 200); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.flush(t, key)
		began := time.Now()
		var waiting sync.WaitGroup
		for i, g := range p.gateways {
			waiting.Go(func() {
				if err := ending[i].end(func() { lastBeat.note(time.Since(began)) }); err != nil {
					t.Errorf("%s: %v", g.name, err)
				}
			})
			waiting.Go(func() {
				refused := 0
				until(t, g.name+": a revoked session", func() error {
					for ; refused < 40; refused++ { // connections go to each of its workers
						if err := g.status("/", key, 401); err != nil {
							last.note(time.Since(began))
							refused = 0
							return err
						}
					}
					return nil
				})
			})
		}
		waiting.Wait()
		for i, g := range p.gateways {
			if err := staying[i].beat(); err != nil {
				t.Errorf("%s: a WebSocket of another session: %v", g.name, err)
			}
		}
	}
	p.note(t, "revocation", fmt.Sprintf("5 sessions cached on %d gateways: the last request admitted %v after the acknowledgement, the last bytes of their WebSockets %v after it",
		len(p.gateways), last.value().Round(time.Millisecond), lastBeat.value().Round(time.Millisecond)))
}

// latest is the longest of some durations.
type latest struct {
	mu sync.Mutex
	d  time.Duration
}

func (l *latest) note(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.d = max(l.d, d)
}

func (l *latest) value() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.d
}

// rotation has keys rotate: the new one counts on every gateway, the old one is a copy after the
// grace period and ends the session.
func (p *plane) rotation(t *testing.T, s *site) {
	p.apply(t, edit(t, p.full, "expiry: {save_every_request: true", "expiry: {cycle_every: 3s, cycle_grace: 1s, save_every_request: true"))
	defer p.apply(t, p.full)
	first, second := p.gateways[0], p.gateways[len(p.gateways)-1]
	var old, key string
	until(t, "a rotated key", func() error {
		if old == "" {
			old = s.login(t)
		}
		r, err := first.send(http.MethodGet, "/", asScript(old)...)
		if err != nil {
			return err
		}
		for _, cookie := range (&http.Response{Header: r.header}).Cookies() {
			if cookie.Name == "sessionid" && cookie.Value != old && cookie.Value != "" {
				key = cookie.Value
				return nil
			}
		}
		return fmt.Errorf("no new key: %v", r)
	})
	if r := second.get(t, "/", key); r.seen == nil || r.seen.Header.Get("X-User-Id") != "7" {
		t.Errorf("the new key on %s: %v", second.name, r)
	}
	until(t, "a copy of the old key", func() error { return second.status("/", old, 401) })
	for _, g := range p.gateways {
		until(t, "the session after its old key was used", func() error { return g.status("/", key, 401) })
	}
}

// note adds a line to the summary.
func (p *plane) note(t *testing.T, name, line string) {
	t.Helper()
	t.Log(line)
	if t.Failed() {
		line += " (WITH FAILURES)"
	}
	if err := testenv.Summarize("planes-"+p.t.Name()+"-"+name, p.t.Name()+": "+line); err != nil {
		t.Fatal(err)
	}
}
