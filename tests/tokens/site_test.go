// Package tokens has tokens of the session service verified by other people's code: by Envoy's own
// jwt_authn behind an Envoy with the filter, and by PyJWT.
package tokens

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/service/token"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const (
	secret = "the session service's token"
	issuer = "https://site.test"
)

// patience is the deadline of polling.
const patience = 30 * time.Second

//go:embed verifier.yaml.tmpl
var verifierText string

var verifierBootstrap = template.Must(template.New("").Parse(verifierText))

// options configure a site.
type options struct {
	version string
	// overlap is that of keys, and cache for how long the verifier caches the key set.
	overlap time.Duration
	cache   string
	// verifierSkew is the verifier's clock_skew_seconds; 0: its default, a minute.
	verifierSkew int
	ttl          string         // of tokens; "" for the filter's default
	routes       map[string]any // of the filter
}

// site is a browser's Envoy with the filter, behind it one that verifies tokens, and behind that an
// upstream; the session service is in this process.
type site struct {
	*testing.T
	front, verifier string // URLs
	service         string
	folder          string // of the keys
	key             string // of a session of the user 7
	// skew is how far ahead of the Envoys' the session service's clock is, in nanoseconds.
	skew    atomic.Int64
	handler http.Handler
	seen    atomic.Pointer[http.Header] // by the upstream, last
}

func start(t *testing.T, o options) *site {
	t.Helper()
	s := serve(t, o, token.ES256)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		s.seen.Store(&header)
		_, _ = io.WriteString(w, kidOf(header.Get("Authorization")))
	}))
	t.Cleanup(upstream.Close)
	s.startEnvoys(o, portOf(t, s.service), portOf(t, upstream.URL))
	return s
}

// serve starts the session service alone, with a key for an algorithm.
func serve(t *testing.T, o options, algorithm string) *site {
	t.Helper()
	s := &site{T: t, folder: t.TempDir(), key: sessiontest.Key(t)}
	now := func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }
	s.newKey(algorithm)
	keys, err := token.Open(s.folder, o.overlap, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sessions := memory.New(now)
	if err := sessions.Create(t.Context(), session.Session{Key: s.key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s.handler, err = service.New(service.Config{
		Store: sessions, Feed: feed.New(), Token: secret, Now: now, Tokens: &service.Tokens{Issuer: issuer, Keys: keys}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	s.service = server.URL
	return s
}

func (s *site) newKey(algorithm string) *token.Key {
	s.Helper()
	key, err := token.New(s.folder, algorithm, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	return key
}

func (s *site) startEnvoys(o options, sessions, upstream int) {
	s.Helper()
	ports, err := testenv.FreePorts(4)
	if err != nil {
		s.Fatal(err)
	}
	var text bytes.Buffer
	err = verifierBootstrap.Execute(&text, map[string]any{
		"Admin": ports[0], "Port": ports[1], "Upstream": upstream, "Sessions": sessions, "Cache": o.cache, "Skew": o.verifierSkew,
	})
	if err != nil {
		s.Fatal(err)
	}
	verifier, err := testenv.StartEnvoy(s.Context(), testenv.EnvoyConfig{Version: o.version, Bootstrap: text.String(), AdminPort: ports[0]})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = verifier.Stop() })
	config := map[string]any{
		"engine":   map[string]any{"service": map[string]any{"cluster": "sessions", "token": secret, "timeout": "5s"}},
		"identity": map[string]any{"token": map[string]any{"header": "authorization", "audience": "orders", "ttl": cmp.Or(o.ttl, "60s")}},
		"cookie":   map[string]any{"secure": false},
	}
	if o.routes != nil {
		config["routes"] = o.routes
	}
	front, err := testenv.StartFilter(s.Context(), testenv.FilterConfig{
		Version: o.version, Port: ports[2], Admin: ports[3], Upstream: ports[1], Clusters: map[string][]int{"sessions": {sessions}}, Config: config, Workers: 2,
		Routes: []testenv.FilterRoute{{Name: "open", Prefix: "/open"}, {Name: "bills", Prefix: "/bills"}, {Name: "cached", Prefix: "/cached"}, {Name: "all", Prefix: "/"}},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = front.Stop() })
	s.front, s.verifier = "http://127.0.0.1:"+strconv.Itoa(ports[2]), "http://127.0.0.1:"+strconv.Itoa(ports[1])
}

// get sends a request, and returns the status and the body.
func (s *site) get(ctx context.Context, address string, headers ...string) (int, string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		s.Error(err)
		return 0, ""
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Error(err)
	}
	return response.StatusCode, string(body)
}

// cookie is the header of the session's cookie.
func (s *site) cookie() string { return "Cookie: sessionid=" + s.key }

// token returns a token that the upstream has got.
func (s *site) token() string {
	s.Helper()
	if status, body := s.get(s.Context(), s.front+"/", s.cookie()); status != http.StatusOK {
		s.Fatalf("with the session: %d %s", status, body)
	}
	return strings.TrimPrefix(s.seen.Load().Get("Authorization"), "Bearer ")
}

// call makes a call of the session service, and returns the response.
func (s *site) call(path, body string) string {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	if s.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
		s.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// part returns a part of a token as JSON's value.
func part(text string, n int) (out map[string]any) {
	parts := strings.Split(strings.TrimPrefix(text, "Bearer "), ".")
	if len(parts) == 3 {
		raw, _ := base64.RawURLEncoding.DecodeString(parts[n])
		_ = json.Unmarshal(raw, &out)
	}
	return out
}

// kidOf returns the ID of the key of a token.
func kidOf(text string) string { return fmt.Sprint(part(text, 0)["kid"]) }

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
