package scenarios

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const serviceToken = "the-scenarios-token"

// backend is the part behind the proxy in one run of one scenario: the real session service over a
// store in memory, and an upstream that records its requests.
type backend struct {
	t        testing.TB
	store    session.Store
	service  string // its URL
	upstream *httptest.Server
	keys     map[string]string // by the session's name
	now      func() time.Time
	started  time.Time // when the scenario did
	ended    chan struct{}

	mu     sync.Mutex
	step   step
	calls  []call
	seen   []http.Header
	leaked []string
	feeds  int // polls of the feed
	marks  int // requests that were marked
	// entries is the access log of a proxy in this process, accessLog that of any.
	entries   []access
	accessLog func() []access

	handler http.Handler // the service, without recording its calls
	// inStep reports that the proxy polls the feed with each request.
	inStep bool
	// applied reports that the workers have applied all events.
	applied bool
}

// call is one request to the session service.
type call struct{ path, body string }

// newBackend starts the parts that a scenario needs, with the clock now.
func newBackend(t testing.TB, s *scenario, now func() time.Time) *backend {
	b := &backend{t: t, store: memory.New(now), keys: map[string]string{}, now: now, ended: make(chan struct{})}
	handler, err := service.New(service.Config{Store: b.store, Feed: feed.New(), Token: serviceToken, Now: now, Accounts: openAccounts(t, s), Tokens: openTokens(t, s, now), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.handler = handler
	b.accessLog = func() []access {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Clone(b.entries)
	}
	b.upstream = httptest.NewServer(http.HandlerFunc(b.serveUpstream))
	if s.Stopped {
		b.service = unserved(t)
	} else {
		service := httptest.NewServer(b.record(handler))
		b.service = service.URL
		t.Cleanup(service.Close)
	}
	t.Cleanup(func() {
		close(b.ended)
		b.upstream.Close()
	})
	return b
}

// start stores the scenario's sessions, whose times count from now, unless it was called before. A
// proxy may need long to start.
func (b *backend) start(t testing.TB, s *scenario) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started.IsZero() {
		return
	}
	b.started = b.now()
	names := make([]string, 0, len(s.Sessions))
	for name := range s.Sessions {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		v := s.Sessions[name]
		v.Data = s.marked(t, v.Data)
		b.put(name, i, v)
	}
	for name, v := range s.Signed {
		v.Data = s.marked(t, v.Data)
		b.sign(name, v)
	}
}

// unserved returns the URL of a port that is bound, but without a listener.
func unserved(t testing.TB) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", address.(*syscall.SockaddrInet4).Port)
}

// data returns a session's data with its stamps.
func (b *backend) data(v stored) []byte {
	data := map[string]any{}
	maps.Copy(data, v.Data)
	for key, letters := range v.Large {
		data[key] = strings.Repeat("x", letters)
	}
	for key, at := range map[string]time.Duration{session.CreatedKey: v.Created, session.SeenKey: v.Seen} {
		if at != 0 {
			data[key] = b.started.Add(at).Unix()
		}
	}
	text, err := json.Marshal(data)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// sign returns the cookie of a session of the signed_cookies engine.
func (b *backend) sign(name string, v stored) {
	codec, err := django.NewCookieCodec(1<<20, "secret")
	if err != nil {
		b.t.Fatal(err)
	}
	if b.keys[name], err = codec.Encode(b.data(v), b.started.Add(v.Expires)); err != nil {
		b.t.Fatal(err)
	}
}

// put stores a session under a key that contains its name.
func (b *backend) put(name string, i int, v stored) {
	key := fmt.Sprintf("%02d%s", i, strings.ToLower(name))
	key += strings.Repeat("k", session.KeyLength-len(key))
	b.keys[name] = key
	data := b.data(v)
	expires := v.Expires
	if expires == 0 {
		expires = 14 * 24 * time.Hour
	}
	if err := b.store.Create(context.Background(), session.Session{Key: key, Data: data, Expires: b.started.Add(expires)}); err != nil {
		b.t.Fatal(err)
	}
}

// record records the calls of the session service, and keys where none may be.
func (b *backend) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			b.t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.URL.Path == "/v1/feed" {
			b.serveFeed(next, w, r)
			return
		}
		b.mu.Lock()
		calls := callsOf(r.URL.Path, string(body))
		b.calls = append(b.calls, calls...)
		fault := b.step.Fault
		if b.step.FaultOn != "" && !slices.ContainsFunc(calls, func(c call) bool { return c.path == b.step.FaultOn }) {
			fault = ""
		}
		for header, values := range r.Header {
			for _, name := range b.leaks(strings.Join(values, " ")) {
				b.leaked = append(b.leaked, name+"'s key in the callout's header "+header)
			}
		}
		for _, name := range b.leaks(r.URL.String()) {
			b.leaked = append(b.leaked, name+"'s key in the callout's URL")
		}
		b.mu.Unlock()
		faults[fault](b, w, next, r)
	})
}

// callsOf returns the calls of a request: several for a batch.
func callsOf(path, body string) []call {
	if path != "/v1/batch" {
		return []call{{path, body}}
	}
	var calls []call
	for line := range strings.Lines(body) {
		path, body, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		calls = append(calls, call{path, body})
	}
	return calls
}

// serveFeed serves a poll of the feed. Scenarios do not depend on it except for the maximum
// staleness of the cache: when the next poll arrives, the response to the first was handled.
func (b *backend) serveFeed(next http.Handler, w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	away := b.step.Fault != "" && (b.step.FaultOn == "" || b.step.FaultOn == "/v1/feed")
	b.feeds++
	b.mu.Unlock()
	if away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	next.ServeHTTP(w, r)
}

// revoke ends a session as another proxy would, and waits until this one has received the event.
func (b *backend) revoke(t *testing.T, name, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/flush", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+serviceToken)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("revoking %s: %d %s", name, w.Code, w.Body)
	}
	b.mu.Lock()
	b.feeds = 1 // the next poll arrives after this event was received
	b.applied = false
	b.mu.Unlock()
}

// revocation returns the request that ends a session of the scenario.
func (b *backend) revocation(s *scenario, name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, signed := s.Signed[name]; signed {
		return `{"key":"` + session.SignedID(b.keys[name]) + `","age":1209600}`
	}
	return `{"key":"` + b.keys[name] + `"}`
}

// learning is ample time for all workers to apply what the lease holder has received: several
// ticks of the filter.
const learning = 500 * time.Millisecond

// follows waits until the proxy polls the feed.
func (b *backend) follows(t *testing.T) {
	t.Helper()
	if b.inStep || b.applied {
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.mu.Lock()
		feeds := b.feeds
		b.mu.Unlock()
		if feeds >= 2 {
			time.Sleep(learning)
			b.applied = true
			return
		}
	}
	t.Fatal("the proxy does not follow the feed")
}

func (b *backend) serveUpstream(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	header := r.Header.Clone()
	header.Set("X-Scenario-Target", r.RequestURI)
	b.seen = append(b.seen, header)
	for _, line := range b.step.Upstream.Headers {
		name, value, _ := strings.Cut(b.fill(line), ":")
		w.Header().Add(name, strings.TrimSpace(value))
	}
	if b.step.Upstream.Status != 0 {
		w.WriteHeader(b.step.Upstream.Status)
	}
	_, _ = io.WriteString(w, "from the upstream")
}

// begin starts a step; later calls are counted for it.
func (b *backend) begin(s step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.step, b.calls, b.seen = s, nil, nil
}

// keep stores the session cookie that the client got, as {cookie} for later steps.
func (b *backend) keep(response *http.Response) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range response.Cookies() {
		if c.Name == "sessionid" && c.Value != "" {
			b.keys["cookie"] = c.Value
		}
	}
}

// observed returns the results of the step so far.
func (b *backend) observed() (calls []call, seen []http.Header, leaked []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls), slices.Clone(b.seen), slices.Clone(b.leaked)
}

// fill replaces the placeholders for sessions' keys, padding and bytes.
func (b *backend) fill(text string) string {
	text = b.ids(text)
	for name, key := range b.keys {
		text = strings.ReplaceAll(text, "{"+name+"}", key)
	}
	text = strings.ReplaceAll(text, "{noise}", noise)
	text = padding.ReplaceAllStringFunc(text, func(found string) string {
		n, err := strconv.Atoi(padding.FindStringSubmatch(found)[1])
		if err != nil {
			b.t.Fatalf("%s: %v", found, err)
		}
		return strings.Repeat("p", n)
	})
	return binary.ReplaceAllStringFunc(text, func(found string) string {
		raw, err := hex.DecodeString(binary.FindStringSubmatch(found)[1])
		if err != nil {
			b.t.Fatalf("%s: %v", found, err)
		}
		return string(raw)
	})
}

// noise is a text that does not compress.
var noise = func() string {
	out := make([]byte, 5000)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(out); i++ {
		out[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(62)]
	}
	return string(out)
}()

var (
	padding = regexp.MustCompile(`\{pad ([0-9]+)\}`)
	binary  = regexp.MustCompile(`\{hex ([0-9A-Fa-f]+)\}`)
)

// leaks returns the names of the sessions whose keys are in a text that must hold none.
func (b *backend) leaks(text string) (names []string) {
	for name, key := range b.keys {
		if strings.Contains(text, key) {
			names = append(names, name)
		}
	}
	return names
}

// state returns what became of a stored session.
func (b *backend) state(name string, before time.Time) string {
	v, err := b.store.Load(context.Background(), b.keys[name])
	switch {
	case err != nil:
		return "gone"
	case v.Expires.After(before.Add(time.Second)):
		return "extended"
	}
	return "live"
}
