package planes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
)

const (
	secretKey = "the planes' SECRET_KEY"
	token     = "the planes' token"
	host      = "site.example.com"
	// patience is the deadline of polling.
	patience = 5 * time.Minute
	// The manifests' ports, but for the session service's, which Envoy Gateway itself takes.
	appPort, goPort, servicePort = 8000, 8002, 9081
)

// site is what is behind the gateways, and the registry: the session service on SQLite, and the
// services.
type site struct {
	t        *testing.T
	store    string // the URL
	service  *testenv.Process
	registry *images
	ca       *authority
	module   []byte
	image    string // the module's reference
}

func newSite(t *testing.T) *site {
	t.Helper()
	module, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3"), module: module, ca: newAuthority(t)}
	s.service, err = testenv.StartService(context.WithoutCancel(t.Context()), testenv.ServiceConfig{Port: servicePort, Store: s.store, SecretKey: secretKey, Token: token, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.service.Stop() })
	for _, port := range []int{appPort, goPort} {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(upstream)}
		go server.Serve(listener)
		t.Cleanup(func() { _ = server.Close() })
	}
	s.registry = startRegistry(t, s.ca)
	s.image = s.registry.push(t, module)
	return s
}

// seen is what an upstream received.
type seen struct {
	Path   string
	Header http.Header
}

// upstream returns what it received; under /live/ it speaks until the client is gone.
func upstream(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/live/") && r.Header.Get("Upgrade") != "" {
		speak(w)
		return
	}
	_ = json.NewEncoder(w).Encode(seen{r.RequestURI, r.Header})
}

// speak sends bytes after an upgrade to WebSocket, as far as a proxy parses them.
func speak(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	for ; err == nil; <-beat.C {
		_, err = io.WriteString(conn, "beat\n")
	}
}

// login stores a session and returns its key.
func (s *site) login(t *testing.T) string {
	t.Helper()
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := store.Open(t.Context(), s.store, store.Options{Codec: codec})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"_auth_user_id":"7","cart":[1,2],"theme":"dark"}`), Expires: time.Now().Add(time.Hour)}
	if err := sessions.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return v.Key
}

// flush ends a session by the session service, and returns when that has acknowledged.
func (s *site) flush(t *testing.T, key string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/v1/flush", servicePort), strings.NewReader(`{"key":"`+key+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("flush: %s", response.Status)
	}
}

// until polls until do returns nil.
func until(t *testing.T, what string, do func() error) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, errors.Join(t.Context().Err(), err))
		}
	}
}

// readManifest returns one of envoy/'s, with the test's image in it.
func (s *site) readManifest(t *testing.T, name string, edits ...string) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "envoy", name))
	if err != nil {
		t.Fatal(err)
	}
	const image = "registry.example.com/cloakroom/filter@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	return edit(t, string(text), append([]string{image, s.image}, edits...)...)
}

// edit replaces texts, each of which must be there.
func edit(t *testing.T, text string, edits ...string) string {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		changed := strings.ReplaceAll(text, edits[i], edits[i+1])
		if changed == text {
			t.Fatalf("the manifests lack %q", edits[i])
		}
		text = changed
	}
	return text
}

// without returns manifests without the document that has a text, and with no other changed.
func without(t *testing.T, text, marker string) string {
	t.Helper()
	documents := strings.Split(text, "\n---\n")
	var kept []string
	for _, d := range documents {
		if !strings.Contains(d, marker) {
			kept = append(kept, d)
		}
	}
	if len(kept) != len(documents)-1 {
		t.Fatalf("%d documents have %q", len(documents)-len(kept), marker)
	}
	return strings.Join(kept, "\n---\n")
}

// write replaces a file at once, in a way that watchers of the folder see.
func write(t *testing.T, path, text string) {
	t.Helper()
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		t.Fatal(err)
	}
}
