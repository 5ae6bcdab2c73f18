package attacks

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"cloakroom/session/sessiontest"
)

func readResponse(conn net.Conn) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodGet})
}

// bystander is another client, whose requests are served while an attack goes on.
type bystander struct {
	stop  context.CancelFunc
	done  sync.WaitGroup
	took  []time.Duration
	wrong []string
}

// bystand sends requests of one session one after the other until the bystander ends.
func (s *site) bystand(path, key, want string) *bystander {
	ctx, cancel := context.WithCancel(context.Background())
	b := &bystander{stop: cancel}
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	b.done.Go(func() {
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			request, err := http.NewRequest(http.MethodGet, s.base+path, nil)
			if err != nil {
				panic(err)
			}
			request.Header.Set("Cookie", "sessionid="+key)
			start := time.Now()
			response, err := client.Do(request)
			if err != nil {
				b.wrong = append(b.wrong, err.Error())
				continue
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			b.took = append(b.took, time.Since(start))
			if err != nil || response.StatusCode != http.StatusOK || string(body) != want {
				b.wrong = append(b.wrong, fmt.Sprint(response.StatusCode, " ", string(body), " ", err))
			}
		}
	})
	return b
}

// end stops it, fails the test where one of its requests was not served, and returns how
// many were, the 99th percentile of their times, and the longest.
func (b *bystander) end(t *testing.T) (n int, p99, worst time.Duration) {
	t.Helper()
	b.stop()
	b.done.Wait()
	if len(b.wrong) > 0 {
		t.Errorf("%d of %d requests of a client beside the attack went wrong; the first: %s", len(b.wrong), len(b.took), b.wrong[0])
	}
	if len(b.took) == 0 {
		t.Fatal("the client beside the attack was not served once")
	}
	slices.Sort(b.took)
	return len(b.took), b.took[len(b.took)*99/100], b.took[len(b.took)-1]
}

// TestOneUnknownKey has 600 connections wait for the look-up of one key that no session
// has: all get 401 from one answer, and the worker lives.
func TestOneUnknownKey(t *testing.T) {
	const connections = 600
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{FilterConfig: filterConfig(serviceConfig(nil))})
		mine := s.create(`{"_auth_user_id":"7"}`)
		s.cached(mine)
		beside := s.bystand("/", mine, "7")
		s.hold()
		unknown := sessiontest.Key(t)
		statuses := s.flood(connections, func(int) string {
			return "GET / HTTP/1.1\r\nHost: site.test\r\nSec-Fetch-Mode: cors\r\nCookie: sessionid=" + unknown + "\r\n\r\n"
		}, s.release)
		if statuses[401] != connections {
			t.Errorf("the answers are %v, want %d times 401", statuses, connections)
		}
		if status, _ := s.get("/", "Cookie: sessionid="+mine); status != 200 {
			t.Errorf("afterwards: %d, want 200", status)
		}
		n, p99, worst := beside.end(t)
		note(t, t.Name(), fmt.Sprintf("Envoy %s, %d connections with one unknown key: all answered 401; a client beside them: %d requests, p99 %s, worst %s", version, connections, n, p99.Round(100*time.Microsecond), worst.Round(100*time.Microsecond)))
	})
}

// flood sends a request on each of n connections, calls sent when the filter has them
// all, and returns how often each status was answered; 0 stands for none.
func (s *site) flood(n int, request func(i int) string, sent func()) map[int]int {
	s.t.Helper()
	conns := make([]net.Conn, n)
	each(n, 16, func(i int) {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			s.t.Error(err)
			return
		}
		conns[i] = conn
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, request(i)); err != nil {
			s.t.Error(err)
		}
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
	s.active(n)
	sent()
	statuses := map[int]int{}
	var mu sync.Mutex
	each(n, 64, func(i int) {
		defer conns[i].Close()
		status := 0
		if response, err := readResponse(conns[i]); err == nil {
			status = response.StatusCode
			response.Body.Close()
		}
		mu.Lock()
		defer mu.Unlock()
		statuses[status]++
	})
	return statuses
}

// cached waits until a session is in the worker's cache.
func (s *site) cached(key string) {
	s.t.Helper()
	eventually(s.t, "a session is cached", func() bool {
		before := s.called("/v1/lookup") + s.called("/v1/batch")
		status, _ := s.get("/", "Cookie: sessionid="+key)
		return status == 200 && before == s.called("/v1/lookup")+s.called("/v1/batch")
	})
}

// active waits until Envoy has n streams under way.
func (s *site) active(n int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d requests are under way", n), func() bool {
		got, err := s.envoy.Stat(context.Background(), "http.http.downstream_rq_active")
		return err == nil && got >= uint64(n)
	})
}

// each does n things, so many at a time.
func each(n, hands int, do func(i int)) {
	var working sync.WaitGroup
	for hand := range min(hands, n) {
		working.Go(func() {
			for i := hand; i < n; i += hands {
				do(i)
			}
		})
	}
	working.Wait()
}

// TestWaitingStreams has 18,000 streams with 57 KB of cookies each wait for look-ups, which
// are 0.9 MB on the wire: a bounded number waits, the others are told to come again.
func TestWaitingStreams(t *testing.T) {
	const streams, perConnection = 18_000, 1000
	envoys(t, func(t *testing.T, version string) {
		c := filterConfig(serviceConfig(nil))
		c.AccessLog, c.FlushLog = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n", true
		s := newSite(t, version, options{FilterConfig: c})
		mine := s.create(`{"_auth_user_id":"7"}`)
		s.cached(mine)
		beside := s.bystand("/", mine, "7")
		s.hold()
		before, _ := rss(t, s.envoy.PID())
		conns := make([]*h2, streams/perConnection)
		wire := 0
		for i := range conns {
			conns[i] = dialH2(t, s.address)
			wire += conns[i].waitingStreams(t, perConnection)
		}
		s.active(1)
		refused := 0
		eventually(t, "every stream has reached the filter", func() bool {
			n, err := s.envoy.Stat(t.Context(), "http.http.downstream_rq_total")
			return err == nil && n >= streams
		})
		s.release()
		statuses := map[string]int{}
		for _, c := range conns {
			for status, n := range c.statuses(t, perConnection) {
				statuses[status] += n
			}
		}
		refused = statuses["503"]
		if statuses["401"]+refused != streams {
			t.Errorf("the answers are %v, want %d of 401 and 503", statuses, streams)
		}
		eventually(t, "the access log has all that were told to come again", func() bool {
			log := s.envoy.Log()
			overloaded := strings.Count(log, "503 cloakroom_overloaded\n")
			// On a slow machine the callouts of some end by their timeout.
			return overloaded > 0 && overloaded+strings.Count(log, "503 cloakroom_unavailable\n") == refused
		})
		if status, _ := s.get("/", "Cookie: sessionid="+mine); status != 200 {
			t.Errorf("afterwards: %d, want 200", status)
		}
		n, p99, worst := beside.end(t)
		_, most := rss(t, s.envoy.PID())
		note(t, t.Name(), fmt.Sprintf("Envoy %s, %d streams with 57 KB of cookies (%d KB on the wire): %d waited, %d told to come again; Envoy %d MB before, %d MB at the most; a client beside them: %d requests, p99 %s, worst %s",
			version, streams, wire>>10, statuses["401"], refused, before, most, n, p99.Round(100*time.Microsecond), worst.Round(100*time.Microsecond)))
	})
}

// h2 is a raw HTTP/2 connection.
type h2 struct {
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	next   uint32
}

func dialH2(t testing.TB, address string) *h2 {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c := &h2{conn: conn, framer: http2.NewFramer(conn, conn), next: 1}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.hpack = hpack.NewEncoder(&c.block)
	if err := c.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := c.framer.WriteWindowUpdate(0, 1<<30); err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens a stream and returns the size of its header block.
func (c *h2) open(t testing.TB, end bool, fields ...hpack.HeaderField) (size int) {
	t.Helper()
	c.block.Reset()
	for _, f := range fields {
		if err := c.hpack.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	id := c.next
	c.next += 2
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end}); err != nil {
		t.Fatal(err)
	}
	return c.block.Len()
}

// waitingStreams opens streams with a key that no session has and 57 KB of cookies, all
// but the first of which send them as references to HPACK's table.
func (c *h2) waitingStreams(t testing.TB, n int) (wire int) {
	t.Helper()
	large := hpack.HeaderField{Name: "cookie", Value: "a=" + strings.Repeat("x", 3700)}
	key := sessiontest.Key(t)
	for range n {
		fields := []hpack.HeaderField{
			{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "s.test"},
			{Name: "sec-fetch-mode", Value: "cors"}, {Name: "cookie", Value: "sessionid=" + key},
		}
		for i := range fields {
			fields[i].Sensitive = i > 2 // not into the table, whose room the large one needs
		}
		for range 15 {
			fields = append(fields, large)
		}
		size := c.open(t, true, fields...)
		wire += size + 9
	}
	return wire
}

// statuses reads the answers to n streams.
func (c *h2) statuses(t testing.TB, n int) map[string]int {
	t.Helper()
	statuses := map[string]int{}
	for ended := 0; ended < n; {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			t.Errorf("after %d of %d answers: %v", ended, n, err)
			return statuses
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			statuses[f.PseudoValue("status")]++
			if f.StreamEnded() {
				ended++
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				ended++
			}
		case *http2.RSTStreamFrame:
			statuses["reset"]++
			ended++
		}
	}
	return statuses
}

// TestManySocketsOfOneSession ends a session with 2,000 open WebSockets: all are closed,
// and the worker lives.
func TestManySocketsOfOneSession(t *testing.T) {
	const sockets = 2000
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{
			FilterConfig: filterConfig(serviceConfig(map[string]any{"end_streams": true})),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") == "" {
					fmt.Fprint(w, r.Header.Get("X-User-Id"))
					return
				}
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return
				}
				defer conn.Close()
				fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_, _ = io.Copy(io.Discard, conn)
			}),
		})
		key, mine := s.create(`{"_auth_user_id":"7"}`), s.create(`{"_auth_user_id":"8"}`)
		s.cached(mine)
		conns := make([]net.Conn, sockets)
		each(sockets, 16, func(i int) {
			conn, err := net.Dial("tcp", s.address)
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = conn
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(conn, "GET /live HTTP/1.1\r\nHost: site.test\r\nCookie: sessionid=%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", key)
			if response, err := readResponse(conn); err != nil || response.StatusCode != 101 {
				t.Errorf("a WebSocket: %v, %v", response, err)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
		defer each(sockets, 16, func(i int) { conns[i].Close() })
		beside := s.bystand("/", mine, "8")
		start := time.Now()
		if status, body := s.flush(`{"key":"` + key + `"}`); status != 200 {
			t.Fatalf("the logout: %d %s", status, body)
		}
		var mu sync.Mutex
		var last time.Duration
		each(sockets, sockets, func(i int) {
			if n, err := io.Copy(io.Discard, conns[i]); n != 0 || err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("a WebSocket of the session that ended: %d bytes, %v", n, err)
			}
			mu.Lock()
			defer mu.Unlock()
			last = max(last, time.Since(start))
		})
		if status, _ := s.get("/", "Cookie: sessionid="+mine); status != 200 {
			t.Errorf("afterwards: %d, want 200", status)
		}
		n, p99, worst := beside.end(t)
		note(t, t.Name(), fmt.Sprintf("Envoy %s, a logout with %d WebSockets: the last closed after %s; a client beside them: %d requests, p99 %s, worst %s", version, sockets, last.Round(time.Millisecond), n, p99.Round(100*time.Microsecond), worst.Round(100*time.Microsecond)))
	})
}
