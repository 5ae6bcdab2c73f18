package service_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const token = "the token of the tests"

// fixture is a service over a store in memory, with a clock that only the test advances and keys
// in a known order.
type fixture struct {
	*testing.T
	handler http.Handler
	store   session.Store
	feed    session.Feed
	clock   *sessiontest.Clock
	random  *countingReader
	log     bytes.Buffer
}

// countingReader is a source of randomness whose keys are all a, all b and so on.
type countingReader struct{ n byte }

func (r *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.n
	}
	r.n++
	return len(p), nil
}

// drawn returns the n-th key that a fixture's service draws.
func drawn(n int) string { return strings.Repeat(string(rune('a'+n)), session.KeyLength) }

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: &sessiontest.Clock{}, random: &countingReader{}, feed: feed.New()}
	f.clock.Advance(1_800_000_000 * time.Second)
	f.store = memory.New(f.clock.Now)
	f.serve(f.store)
	return f
}

func (f *fixture) serve(s session.Store) {
	f.Helper()
	handler, err := service.New(service.Config{
		Store: s, Feed: f.feed, Token: token, Now: f.clock.Now, Random: f.random,
		Log: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.handler = handler
}

// do sends a request with the token and returns the status and the body.
func (f *fixture) do(method, path, body string) (int, string) {
	f.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	return f.send(r)
}

func (f *fixture) send(r *http.Request) (int, string) {
	f.Helper()
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	want := "application/json"
	if r.URL.Path == "/v1/batch" && w.Code == http.StatusOK {
		want = "text/plain; charset=utf-8" // a line for each call
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") && w.Header().Get("Content-Type") != want {
		f.Errorf("%s: content-type %q", r.URL.Path, w.Header().Get("Content-Type"))
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

// create stores a session that expires in an hour.
func (f *fixture) create(key, data string) {
	f.Helper()
	v := session.Session{Key: key, Data: []byte(data), Expires: f.clock.Now().Add(time.Hour)}
	if err := f.store.Create(f.Context(), v); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) stored(key string) string {
	f.Helper()
	v, err := f.store.Load(f.Context(), key)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s until %d", v.Data, v.Expires.Unix())
}

// k is the key of the tables' sessions; unknown is a key without a session.
const (
	k       = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	unknown = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
)

const none = `{"state":"none"}`

func TestToken(t *testing.T) {
	f := start(t)
	for header, want := range map[string]int{
		"": 401, token: 401, "Bearer": 401, "Bearer ": 401, "Bearer x": 401, "Basic " + token: 401, "Bearer " + token + "x": 401,
		"Bearer  " + token: 401, "Bearer " + token[1:]: 401, "bearer " + token: 200, "Bearer " + token: 200,
	} {
		r := httptest.NewRequest("POST", "/v1/lookup", strings.NewReader(`{"key":"`+k+`"}`))
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		if status, got := f.send(r); status != want {
			t.Errorf("authorization %q: got %d %s, want %d", header, status, got, want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	s := memory.New(time.Now)
	for name, c := range map[string]service.Config{"zero": {}, "no token": {Store: s}, "no store": {Token: token}, "open, no store": {Open: true}} {
		if h, err := service.New(c); !errors.Is(err, service.ErrConfig) || h != nil {
			t.Errorf("%s: got %v, want %v", name, err, service.ErrConfig)
		}
	}
	h, err := service.New(service.Config{Store: s, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, handler: h}
	if status, got := f.send(httptest.NewRequest("POST", "/v1/lookup", strings.NewReader(`{"key":""}`))); status != 200 || got != none {
		t.Errorf("open: got %d %s, want 200 %s", status, got, none)
	}
}

func TestMethods(t *testing.T) {
	f := start(t)
	for path, wrong := range map[string]string{"/v1/lookup": "GET", "/v1/flush": "DELETE", "/healthz": "POST", "/readyz": "PUT", "/metrics": "POST"} {
		if status, got := f.do(wrong, path, ""); status != 405 || !strings.Contains(got, "error") {
			t.Errorf("%s %s: got %d %s, want 405", wrong, path, status, got)
		}
	}
}

func TestOutage(t *testing.T) {
	f := start(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		if status, got := f.send(httptest.NewRequest("GET", path, nil)); status != want {
			t.Errorf("%s: got %d %s, want %d", path, status, got, want)
		}
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		if status, got := f.send(httptest.NewRequest("GET", path, nil)); status != want {
			t.Errorf("store closed, %s: got %d %s, want %d", path, status, got, want)
		}
	}
	key := `{"key":"` + k + `"`
	for path, body := range map[string]string{
		"lookup": key + `}`, "flush": key + `}`, "touch": key + `,"age":60}`, "rotate": key + `,"age":60}`,
		"update": key + `,"patch":{},"age":60}`, "create": `{"data":{},"age":60}`,
	} {
		if status, got := f.do("POST", "/v1/"+path, body); status != 503 || got != `{"error":"Service Unavailable"}` {
			t.Errorf("%s: got %d %s, want 503", path, status, got)
		}
	}
	f.metric(`cloakroom_store_errors_total{path="/v1/lookup"} 1`)
	f.metric(`cloakroom_requests_total{path="/v1/lookup",status="503"} 1`)
	f.silentAbout(k, token)
}

// metric fails the test unless /metrics contains line.
func (f *fixture) metric(line string) {
	f.Helper()
	status, got := f.send(httptest.NewRequest("GET", "/metrics", nil))
	if status != 200 || !strings.Contains("\n"+got+"\n", "\n"+line+"\n") {
		f.Errorf("metrics: got %d without %q:\n%s", status, line, got)
	}
	if strings.Contains(got, k) {
		f.Errorf("the metrics contain a key")
	}
}

func (f *fixture) silentAbout(secrets ...string) {
	f.Helper()
	for _, secret := range secrets {
		if strings.Contains(f.log.String(), secret) {
			f.Errorf("the log contains %q:\n%s", secret, f.log.String())
		}
	}
}

// TestUnreadable checks that a row signed with another key counts as no session, is counted, and
// can be deleted.
func TestUnreadable(t *testing.T) {
	f := start(t)
	url := "sqlite://" + filepath.Join(t.TempDir(), "db")
	stores := map[string]session.Store{}
	for _, secret := range []string{"ours", "foreign"} {
		codec, err := django.NewCodec(secret)
		if err != nil {
			t.Fatal(err)
		}
		if stores[secret], err = store.Open(t.Context(), url, store.Options{Codec: codec, Create: true, Now: f.clock.Now}); err != nil {
			t.Fatal(err)
		}
		defer stores[secret].Close()
	}
	f.store = stores["foreign"]
	f.create(k, `{"private":"data"}`)
	f.serve(stores["ours"])
	for path, body := range map[string]string{
		"lookup": `{"key":"` + k + `"}`, "touch": `{"key":"` + k + `","age":60}`,
		"update": `{"key":"` + k + `","patch":{"a":1},"age":60}`, "rotate": `{"key":"` + k + `","age":60}`,
	} {
		if status, got := f.do("POST", "/v1/"+path, body); status != 200 || got != none {
			t.Errorf("%s: got %d %s, want 200 %s", path, status, got, none)
		}
	}
	f.metric("cloakroom_unreadable_sessions_total 4")
	f.silentAbout(k, "private")
	if !strings.Contains(f.log.String(), "level=WARN") {
		t.Errorf("the log has no warning: %s", f.log.String())
	}
	if got := f.stored(k); got != `{"private":"data"} until 1800003600` {
		t.Errorf("the foreign session has become %s", got)
	}
	if status, got := f.do("POST", "/v1/flush", `{"key":"`+k+`"}`); status != 200 || got != none {
		t.Errorf("flush: got %d %s, want 200 %s", status, got, none)
	}
	if got := f.stored(k); got != session.ErrNotFound.Error() {
		t.Errorf("after the flush there is still %s", got)
	}
}

// TestKeysAreDrawn checks that a key that exists is drawn again, and that a broken source of
// randomness is an error, not a session with a predictable key.
func TestKeysAreDrawn(t *testing.T) {
	f := start(t)
	f.create(drawn(0), `{"taken":true}`)
	if _, got := f.do("POST", "/v1/create", `{"data":{},"age":60}`); !strings.Contains(got, drawn(1)) {
		t.Errorf("got %s, want the second key", got)
	}
	f.random.n = 0
	f.create(k, `{}`)
	if _, got := f.do("POST", "/v1/rotate", `{"key":"`+k+`","age":60}`); !strings.Contains(got, drawn(2)) {
		t.Errorf("got %s, want the third key", got)
	}
	h, err := service.New(service.Config{Store: f.store, Token: token, Now: f.clock.Now, Random: strings.NewReader(""), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = h
	if status, got := f.do("POST", "/v1/create", `{"data":{},"age":60}`); status != 500 || strings.Contains(got, io.EOF.Error()) {
		t.Errorf("got %d %s, want 500", status, got)
	}
}
