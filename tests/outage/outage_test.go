// Package outage stops the sessions' store under load, and starts it again: requests in between
// get 503, no session is logged out, and no write that was acknowledged is lost.
package outage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
)

const (
	secretKey = "the outage's SECRET_KEY"
	token     = "the outage's token"
	// clients is how many clients run concurrently, each with its own session.
	clients = 8
	// phase is how many responses with the wanted status each client waits for, before, during and
	// after the outage.
	phase = 25
	// patience bounds a phase.
	patience = 30 * time.Second
)

// place is a store of sessions.
type place struct {
	name string
	url  string
	// stop kills the store; start starts it again. If nil, the session service itself is killed,
	// with the file that it writes.
	stop  func()
	start func(ctx context.Context) error
}

func TestOutage(t *testing.T) {
	for _, p := range []*place{postgres(t), valkey(t), {name: "SQLite", url: "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3")}} {
		t.Run(p.name, func(t *testing.T) { testOutage(t, p) })
	}
}

func postgres(t *testing.T) *place {
	// The user that PostgreSQL runs as cannot enter t.TempDir.
	dir, err := os.MkdirTemp("", "cloakroom-outage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := testenv.PostgresConfig{Dir: dir}
	server, err := testenv.StartPostgres(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Port = server.Port
	p := &place{name: "PostgreSQL", url: server.URL("postgres"), stop: func() { server.Kill() }}
	p.start = func(ctx context.Context) (err error) {
		server, err = testenv.StartPostgres(ctx, c)
		return err
	}
	t.Cleanup(func() { server.Stop() })
	return p
}

func valkey(t *testing.T) *place {
	c := testenv.RedisConfig{Server: testenv.Valkey, Dir: t.TempDir()}
	server, err := testenv.StartRedis(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Port = server.Port
	p := &place{name: "Valkey", url: "redis://" + server.Address() + "/0", stop: func() { server.Kill() }}
	p.start = func(ctx context.Context) (err error) {
		server, err = testenv.StartRedis(ctx, c)
		return err
	}
	t.Cleanup(func() { server.Stop() })
	return p
}

// bench is all the parts that a request passes.
type bench struct {
	t       *testing.T
	site    *testenv.Site
	address string
	counts  struct{ good, refused, bad atomic.Int64 }
}

func testOutage(t *testing.T, p *place) {
	b := newBench(t, p)
	stop, start := p.stop, p.start
	if stop == nil {
		stop = func() { b.site.Replicas[0].Kill() }
	}
	keys := createAll(t, p)
	var all []*client
	for i := range clients {
		all = append(all, &client{bench: b, place: p, key: keys[i], http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}})
	}
	b.phase(all, http.StatusOK, nil)
	var began, back time.Time
	b.phase(all, http.StatusServiceUnavailable, func() { stop(); began = time.Now() })
	b.phase(all, http.StatusOK, func() {
		if start == nil {
			b.site.StartReplica(t, 0)
		} else if err := start(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		back = time.Now()
	})
	for i, c := range all {
		if n := c.stored(); n < c.acknowledged || n > c.sent {
			t.Errorf("client %d: %d is stored, %d was acknowledged and %d sent last", i, n, c.acknowledged, c.sent)
		}
	}
	line := fmt.Sprintf("outage of %s: %d requests served, %d refused with 503 in %s, %d logged out or otherwise wrong; every acknowledged write is there",
		p.name, b.counts.good.Load(), b.counts.refused.Load(), back.Sub(began).Round(100*time.Millisecond), b.counts.bad.Load())
	if t.Failed() {
		line += " (WITH FAILURES)"
	}
	t.Log(line)
	note(t, p.name, line)
}

// phase runs all clients, and happen, until each has had a number of responses with the wanted
// status in a row.
func (b *bench) phase(all []*client, want int, happen func()) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var running sync.WaitGroup
	for i, c := range all {
		running.Go(func() {
			for row := 0; row < phase; {
				if ctx.Err() != nil {
					b.t.Errorf("client %d: no %d responses with %d in a row within %s", i, phase, want, patience)
					return
				}
				if c.step() == want {
					row++
				} else {
					row = 0
				}
			}
		})
	}
	if happen != nil {
		happen()
	}
	running.Wait()
}

// client writes increasing numbers into its session and reads them back.
type client struct {
	*bench
	place              *place
	http               *http.Client
	key                string
	sent, acknowledged int
}

// step writes or reads, and returns the response's status.
func (c *client) step() int {
	c.sent++
	status, _ := c.get("/write?n=" + strconv.Itoa(c.sent))
	if status == http.StatusOK {
		c.acknowledged = c.sent
		var body string
		if status, body = c.get("/read"); status == http.StatusOK {
			if n, _ := strconv.Atoi(body); n != c.acknowledged {
				c.t.Errorf("read %q after %d was acknowledged", body, c.acknowledged)
			}
		}
	}
	return status
}

// stored reads the session from the store, not through the proxy.
func (c *client) stored() int {
	s := open(c.t, c.place)
	defer s.Close()
	v, err := s.Load(c.t.Context(), c.key)
	if err != nil {
		c.t.Errorf("after all: %v", err)
	}
	var data struct{ N int }
	if err := json.Unmarshal(v.Data, &data); err != nil {
		c.t.Error(err)
	}
	return data.N
}

func (c *client) get(path string) (status int, body string) {
	request, err := http.NewRequest(http.MethodGet, c.address+path, nil)
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	request.AddCookie(&http.Cookie{Name: "sessionid", Value: c.key})
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Error(err)
	}
	c.judge(response)
	return response.StatusCode, string(text)
}

// judge counts a response. Only two kinds are right: served, or rejected without a change of the
// cookie.
func (c *client) judge(r *http.Response) {
	kept := true
	for _, cookie := range r.Cookies() {
		kept = kept && cookie.Value == c.key
	}
	switch {
	case kept && r.StatusCode == http.StatusOK:
		c.counts.good.Add(1)
	case kept && r.StatusCode == http.StatusServiceUnavailable:
		c.counts.refused.Add(1)
	default:
		c.counts.bad.Add(1)
		c.t.Errorf("%d to %q, cookie kept: %v", r.StatusCode, r.Header.Get("Location"), kept)
	}
}

func newBench(t *testing.T, p *place) *bench {
	t.Helper()
	s := testenv.NewSite(t, testenv.SiteConfig{
		Replicas: 1, Service: testenv.ServiceConfig{Store: p.url, SecretKey: secretKey, Token: token, Bare: true}, Upstream: http.HandlerFunc(serve),
		FilterConfig: testenv.FilterConfig{Workers: 2, Config: map[string]any{
			"accept_updates": true, "cookie": map[string]any{"secure": false}, "identity": map[string]any{"data_keys": []string{"n"}},
			"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}},
		}},
	})
	return &bench{t: t, site: s, address: s.Bases[0]}
}

// serve is the upstream: it sets the session's number, or returns it.
func serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/write" {
		w.Header().Set("X-Session-Set", `{"n":`+r.FormValue("n")+`}`)
		return
	}
	var data struct{ N int }
	if err := json.Unmarshal([]byte(r.Header.Get("X-Session")), &data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, data.N)
}

func open(t *testing.T, p *place) session.Store {
	t.Helper()
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), p.url, store.Options{Codec: codec})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func createAll(t *testing.T, p *place) (keys []string) {
	s := open(t, p)
	defer s.Close()
	for range clients {
		v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"_auth_user_id":"1","n":0}`), Expires: time.Now().Add(time.Hour)}
		if err := s.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, v.Key)
	}
	return keys
}

// note writes the figures to a file, for `make test` to print.
func note(t *testing.T, name, line string) {
	if err := testenv.Summarize("outage-"+name, line); err != nil {
		t.Fatal(err)
	}
}
