// Package attacks plays attacks on the filter, with raw sockets against real Envoys. Each
// was found to work on an earlier build; what has to come of it instead is asserted here.
//
// CLOAKROOM_WASM and CLOAKROOM_SERVICE name other builds of the filter and of the command to
// attack.
package attacks

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const (
	token     = "the attacks' token"
	secretKey = "the attacks' SECRET_KEY"
	// patience bounds what has to come in the end, on a busy machine too.
	patience = 60 * time.Second
)

// envoys runs an attack against each version of Envoy.
func envoys(t *testing.T, attack func(t *testing.T, version string)) {
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) { attack(t, version) })
	}
}

// site is an Envoy with the filter, a session service over a store in memory, and an
// upstream.
type site struct {
	t        testing.TB
	envoy    *testenv.Envoy
	base     string // http://host:port
	address  string // host:port
	store    session.Store
	feed     session.Feed
	handler  http.Handler // the service's
	upstream *httptest.Server

	mu         sync.Mutex
	gate       chan struct{} // not nil: calls but for the feed wait until it is closed
	calls      map[string]int
	polledFrom string // the address that the feed was last polled from
}

// options are what a site differs in.
type options struct {
	testenv.FilterConfig // Version, Port, Admin, Upstream, Clusters are filled in
	// Project is a Django with its session service; nil: there is no Django, and a service
	// over a store in memory.
	Project *project
	// Handler is the upstream; nil: the project's.
	Handler http.Handler
	// Between is a proxy between Envoy and the service.
	Between *proxy
	// VMFails says that the test has the VM fail: Envoy's log may say so.
	VMFails bool
	// Service changes the service's configuration.
	Service func(*service.Config)
}

func newSite(t testing.TB, version string, o options) *site {
	t.Helper()
	s := &site{t: t, store: memory.New(time.Now), feed: feed.New(), calls: map[string]int{}}
	config := service.Config{Store: s.store, Feed: s.feed, Token: token, Log: slog.New(slog.DiscardHandler)}
	if o.Service != nil {
		o.Service(&config)
	}
	var err error
	if s.handler, err = service.New(config); err != nil {
		t.Fatal(err)
	}
	if o.Handler == nil {
		o.Handler = o.Project.front(t)
	}
	servicePort := 0
	if o.Project == nil {
		servicePort = portOf(t, listen(t, http.HandlerFunc(s.serveService), o.ClustersHTTP2))
	} else {
		servicePort = o.Project.service
	}
	if o.Between != nil {
		servicePort = o.Between.start(t, servicePort)
	}
	s.upstream = listen(t, o.Handler, o.UpstreamHTTP2)
	ports, err := testenv.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	c := o.FilterConfig
	c.Version, c.Port, c.Admin = version, ports[0], ports[1]
	c.Upstream, c.Clusters = portOf(t, s.upstream), map[string][]int{"sessions": {servicePort}}
	if c.Wasm == "" {
		c.Wasm = os.Getenv("CLOAKROOM_WASM")
	}
	if s.envoy, err = testenv.StartFilter(context.WithoutCancel(t.Context()), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.release()
		s.envoy.Stop()
		for line := range strings.Lines(s.envoy.Log()) {
			if o.VMFails {
				break
			}
			if strings.Contains(line, "[critical]") || strings.Contains(line, "VM failed") || strings.Contains(line, "RangeError") {
				t.Errorf("Envoy's log: %s", line)
				break
			}
		}
		if t.Failed() {
			t.Logf("the end of Envoy's log:\n%s", s.envoy.LogTail(40))
		}
	})
	s.address = "127.0.0.1:" + strconv.Itoa(c.Port)
	s.base = "http://" + s.address
	return s
}

// listen serves a handler, by HTTP/2 without TLS too.
func listen(t testing.TB, h http.Handler, http2 bool) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	if http2 {
		server.Config.Protocols = &http.Protocols{}
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Config.Protocols.SetHTTP1(true)
	}
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		_ = server.Config.Close()
	})
	return server
}

func portOf(t testing.TB, server *httptest.Server) int {
	t.Helper()
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// serviceConfig is the filter's configuration of the engine, with more laid over it.
func serviceConfig(more map[string]any) map[string]any {
	config := map[string]any{
		"cookie": map[string]any{"secure": false},
		"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "10s", "cache": map[string]any{"ttl": "30s"}}},
	}
	for name, value := range more {
		config[name] = value
	}
	return config
}

func (s *site) serveService(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls[r.URL.Path]++
	gate := s.gate
	if r.URL.Path == "/v1/feed" {
		s.polledFrom = r.RemoteAddr
	}
	s.mu.Unlock()
	if gate != nil && r.URL.Path != "/v1/feed" {
		<-gate
	}
	s.handler.ServeHTTP(w, r)
}

// hold has the service keep its answers back until release.
func (s *site) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *site) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
}

// called returns how often the service was called at a path.
func (s *site) called(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

// create stores a session and returns its key.
func (s *site) create(data string) string {
	s.t.Helper()
	key := sessiontest.Key(s.t)
	if err := s.store.Create(context.Background(), session.Session{Key: key, Data: []byte(data), Expires: time.Now().Add(time.Hour)}); err != nil {
		s.t.Fatal(err)
	}
	return key
}

// flush has the session service end what body says.
func (s *site) flush(body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, api.Flush, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// get sends a request as a script does, header lines as they stand, and returns the
// answer's status and body.
func (s *site) get(path string, headers ...string) (int, string) {
	s.t.Helper()
	status, _, body := request(s.t, s.base, path, headers...)
	return status, body
}

// ask is get with the answer's headers.
func (s *site) ask(path string, headers ...string) (int, http.Header, string) {
	s.t.Helper()
	return request(s.t, s.base, path, headers...)
}

// request sends a GET to http://host:port.
func request(t testing.TB, base, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	text := "GET " + path + " HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nSec-Fetch-Mode: cors\r\n"
	for _, line := range headers {
		text += line + "\r\n"
	}
	status, header, body, err := raw(strings.TrimPrefix(base, "http://"), text+"\r\n")
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return status, header, body
}

// cookieIn returns the session cookie that a response sets; "-" where it deletes it, "" where it
// does neither.
func cookieIn(h http.Header) string {
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == "sessionid" {
			return cmp.Or(c.Value, "-")
		}
	}
	return ""
}

// raw sends bytes on a connection of its own and returns the one answer to them.
func raw(address, request string) (status int, header http.Header, body string, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, nil, "", err
	}
	defer conn.Close()
	if err = conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, "", err
	}
	if _, err = io.WriteString(conn, request); err != nil {
		return 0, nil, "", err
	}
	response, err := readResponse(conn)
	if err != nil {
		return 0, nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(text), err
}

// rss returns the memory of a process, now and at its most, in MB.
func rss(t testing.TB, pid int) (now, most int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); n == 1 {
			now = kilobytes / 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			most = kilobytes / 1024
		}
	}
	return now, most
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// note keeps a line for the summary of `make test`.
func note(t *testing.T, name, line string) {
	t.Helper()
	t.Log(line)
	if t.Failed() {
		line += " (WITH FAILURES)"
	}
	if err := testenv.Summarize("attacks-"+name, "attacks: "+line); err != nil {
		t.Fatal(err)
	}
}
