package attacks

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
)

// twoWorkers is a filter whose workers share what one of them receives from the feed.
func twoWorkers(more map[string]any) testenv.FilterConfig {
	c := filterConfig(serviceConfig(more))
	c.Workers = 2
	return c
}

// everywhere sends requests until each of two workers has answered some, and reports whether
// every answer has the given status.
func (s *site) everywhere(key string, status int) bool {
	s.t.Helper()
	const some = 4
	before := s.connections()
	for range 200 {
		if got, _ := s.get("/", "Cookie: sessionid="+key); got != status {
			return false
		}
		if now := s.connections(); now[0] >= before[0]+some && now[1] >= before[1]+some {
			return true
		}
	}
	s.t.Fatal("Envoy has sent all connections to one of its workers")
	return false
}

// connections returns how many connections each of two workers has accepted.
func (s *site) connections() (n [2]uint64) {
	s.t.Helper()
	for worker := range n {
		var err error
		name := fmt.Sprintf("listener.%s.worker_%d.downstream_cx_total", strings.ReplaceAll(s.address, ":", "_"), worker)
		if n[worker], err = s.envoy.Stat(s.t.Context(), name); err != nil {
			s.t.Fatal(err)
		}
	}
	return n
}

// cachedEverywhere waits until every worker has a session in its cache, and may use that.
func (s *site) cachedEverywhere(key string) {
	s.t.Helper()
	eventually(s.t, "every worker has the session cached", func() bool {
		before := s.called("/v1/lookup") + s.called("/v1/batch")
		return s.everywhere(key, 200) && s.called("/v1/lookup")+s.called("/v1/batch") == before
	})
}

// TestUserIDsInTheFeed ends the sessions of users whose ids could break the framing of events, or
// look like other events. Every worker lives, keeps what is cached of others, and goes on to
// apply events.
func TestUserIDsInTheFeed(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{FilterConfig: twoWorkers(nil)})
		key, other := s.create(`{"_auth_user_id":"7"}`), s.create(`{"_auth_user_id":"8"}`)
		for _, user := range []string{"7\n", "\n", "\n\n\n", "x\nu8\n*", "\x00", "\u2028", "7 ", strings.Repeat("\n", 600), strings.Repeat("u", 200), `"`, `\`, "*", "h0123456789abcdef"} {
			if status, body := s.flush(`{"user":` + strconv.Quote(user) + `}`); status != 200 && status != 400 {
				t.Errorf("the user %q: %d %s", user, status, body)
			}
			// The service may refuse such an id; a store's feed may hold it all the same.
			if err := s.feed.Publish(t.Context(), session.UserEvent(user), user); err != nil {
				t.Fatal(err)
			}
			if !s.everywhere(key, 200) {
				t.Errorf("after an event of the user %q: not every worker serves", user)
			}
		}
		s.cachedEverywhere(key)
		s.flush(`{"user":"7"}`)
		eventually(t, "every worker has applied the event", func() bool { return s.everywhere(key, 401) })
		if !s.everywhere(other, 200) {
			t.Error("another user's session has ended")
		}
	})
}

// TestSilentFeedConnection has the connection by which a worker follows the feed fall silent,
// without an end, as a dead peer's does. Another worker follows the feed by another connection:
// open streams of a session that ends are closed, and one line of the log says why.
func TestSilentFeedConnection(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		c := twoWorkers(map[string]any{"end_streams": true, "engine": map[string]any{
			"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "1s", "cache": map[string]any{"ttl": "60s"}},
		}})
		c.ClustersHTTP2 = true
		between := &proxy{}
		s := newSite(t, version, options{FilterConfig: c, Between: between, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				socket(w, r)
				return
			}
			fmt.Fprint(w, r.Header.Get("X-User-Id"))
		})})
		ended, mine := s.create(`{"_auth_user_id":"7"}`), s.create(`{"_auth_user_id":"8"}`)
		streams := make([]*socketStream, 16)
		for i := range streams {
			streams[i] = openSocket(t, s.address, ended)
		}
		s.cachedEverywhere(mine)
		between.silence(t, s.follower())
		if status, body := s.flush(`{"key":"` + ended + `"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		start := time.Now()
		for _, stream := range streams {
			stream.ends(t)
		}
		took := time.Since(start)
		// What is cached may be used again, so the service is not asked for each request.
		s.cachedEverywhere(mine)
		lines := 0
		for line := range strings.Lines(s.envoy.Log()) {
			if strings.Contains(line, "the feed of the session service") {
				lines++
			}
		}
		if lines == 0 || lines > 4 {
			t.Errorf("Envoy's log has %d lines on the feed", lines)
		}
		if took > 15*time.Second {
			t.Errorf("the streams of the session ended after %s", took)
		}
		note(t, t.Name(), fmt.Sprintf("Envoy %s, the feed's connection silent without an end: the last stream of a session that ended then closed after %s; %d lines in the log", version, took.Round(10*time.Millisecond), lines))
	})
}

// follower returns the address from which the feed was last polled.
func (s *site) follower() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polledFrom
}

// proxy is a TCP proxy whose connections can fall silent.
type proxy struct {
	target string

	mu     sync.Mutex
	silent map[string]chan struct{} // by the local address towards the target
}

// start starts the proxy before a port of this machine, and returns its own port.
func (p *proxy) start(t testing.TB, target int) int {
	t.Helper()
	p.target, p.silent = "127.0.0.1:"+strconv.Itoa(target), map[string]chan struct{}{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var conns sync.Map
	t.Cleanup(func() {
		listener.Close()
		conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			serving.Go(func() { p.serve(conn, &conns) })
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func (p *proxy) serve(client net.Conn, conns *sync.Map) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	conns.Store(server, nil)
	defer server.Close()
	silent := make(chan struct{})
	p.mu.Lock()
	p.silent[server.LocalAddr().String()] = silent
	p.mu.Unlock()
	var copying sync.WaitGroup
	pass := func(to, from net.Conn) {
		// Silence has no end: the other side's bytes are read, and go nowhere.
		_, _ = io.Copy(swallow{to, silent}, from)
		select {
		case <-silent:
		default:
			_ = to.(*net.TCPConn).CloseWrite()
		}
	}
	copying.Go(func() { pass(server, client) })
	copying.Go(func() { pass(client, server) })
	copying.Wait()
}

// swallow writes to a connection until it is silent.
type swallow struct {
	net.Conn
	silent chan struct{}
}

func (w swallow) Write(b []byte) (int, error) {
	select {
	case <-w.silent:
		return len(b), nil
	default:
		return w.Conn.Write(b)
	}
}

// silence has the connection go silent that reaches the target from an address.
func (p *proxy) silence(t testing.TB, from string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	silent := p.silent[from]
	if silent == nil {
		t.Fatalf("no connection comes from %q", from)
	}
	close(silent)
}
