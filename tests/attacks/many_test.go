package attacks

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"cloakroom/internal/testenv"
	"cloakroom/session/sessiontest"
)

// TestManyUnknownKeys sends 100,000 keys that no session has: a session that was cached before
// still is.
func TestManyUnknownKeys(t *testing.T) {
	const connections, rounds, abreast = 4, 50, 500
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{FilterConfig: filterConfig(serviceConfig(map[string]any{
			"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "10s", "cache": map[string]any{"ttl": "600s"}}},
		}))})
		mine, other := s.create(`{"_auth_user_id":"7"}`), s.create(`{"_auth_user_id":"8"}`)
		s.cached(mine)
		s.cached(other)
		beside := s.bystand("/", other, "8")
		before, _ := rss(t, s.envoy.PID())
		each(connections, connections, func(int) {
			c := dialH2(t, s.address)
			for range rounds {
				for range abreast {
					fields := []hpack.HeaderField{
						{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "s.test"},
						{Name: "sec-fetch-mode", Value: "cors"}, {Name: "cookie", Value: "sessionid=" + sessiontest.Key(t), Sensitive: true},
					}
					c.open(t, true, fields...)
				}
				if statuses := c.statuses(t, abreast); statuses["401"]+statuses["503"] != abreast {
					t.Errorf("the answers are %v, want 401, or 503 for what has no room", statuses)
				}
			}
		})
		lookups := s.called("/v1/lookup") + s.called("/v1/batch")
		if status, body := s.get("/", "Cookie: sessionid="+mine); status != 200 || body != "7" {
			t.Errorf("afterwards: %d %s", status, body)
		}
		if s.called("/v1/lookup")+s.called("/v1/batch") != lookups {
			t.Error("the session is not cached any more")
		}
		n, p99, worst := beside.end(t)
		_, most := rss(t, s.envoy.PID())
		note(t, t.Name(), fmt.Sprintf("Envoy %s, %d keys that no session has: sessions stay cached; Envoy %d MB before, %d MB at the most; a client beside them: %d requests, p99 %s, worst %s",
			version, connections*rounds*abreast, before, most, n, p99.Round(100*time.Microsecond), worst.Round(100*time.Microsecond)))
	})
}

// TestManyCookies sends 10,000 cookies in a request, on a route that keeps the session's from the
// upstream: the others arrive as they were.
func TestManyCookies(t *testing.T) {
	const pairs, requests = 10_000, 200
	envoys(t, func(t *testing.T, version string) {
		c := filterConfig(serviceConfig(map[string]any{"forward_cookie": false, "routes": map[string]any{"off": map[string]any{"mode": "off", "forward_cookie": true}}}),
			testenv.FilterRoute{Name: "off", Prefix: "/off"}, testenv.FilterRoute{Name: "rest", Prefix: "/"})
		s := newSite(t, version, options{FilterConfig: c})
		key := s.create(`{"_auth_user_id":"7"}`)
		s.cached(key)
		others := strings.Repeat("a=1; ", pairs)
		spent := map[string]time.Duration{}
		for _, path := range []string{"/", "/off", "/", "/off"} {
			before := cpu(t, s.envoy.PID())
			for range requests {
				status, header, _ := s.ask(path, "Cookie: "+others+"sessionid="+key)
				want := strings.TrimSuffix(others, "; ")
				if path == "/off" {
					want = others + "sessionid=" + key
				}
				if status != 200 || seenCookie(header) != want {
					t.Fatalf("%s: %d; the upstream gets %d bytes of cookies, want %d", path, status, len(seenCookie(header)), len(want))
				}
			}
			spent[path] += cpu(t, s.envoy.PID()) - before
		}
		note(t, t.Name(), fmt.Sprintf("Envoy %s, a request with %d cookies: %s of Envoy's CPU with the session's taken out of them, %s with mode: off",
			version, pairs, spent["/"]/(2*requests), spent["/off"]/(2*requests)))
	})
}

// TestIdleConnections opens thousands of connections to the session service and sends nothing, or
// a request without a token, on each: a caller with the token is served, and few stay open.
func TestIdleConnections(t *testing.T) {
	const connections = 6000
	p := djangoWith(t, "db")
	address := "127.0.0.1:" + strconv.Itoa(p.service)
	before, _ := rss(t, p.serviceStarts.PID())
	conns := make([]net.Conn, connections)
	each(connections, 64, func(i int) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return // refused is well
		}
		conns[i] = conn
		switch i % 3 {
		case 1:
			_, _ = io.WriteString(conn, "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
		case 2:
			_, _ = io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	})
	defer each(connections, 64, func(i int) {
		if conns[i] != nil {
			conns[i].Close()
		}
	})
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/lookup", strings.NewReader(`{"key":"`+sessiontest.Key(t)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatalf("a caller with the token is not served: %v", err)
		}
		if body := readAll(t, response); response.StatusCode != 404 && response.StatusCode != 200 {
			t.Errorf("a caller with the token gets %d %s", response.StatusCode, body)
		}
		response.Body.Close()
	}
	open := 0
	eventually(t, "few connections without a token stay open", func() bool {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.serviceStarts.PID()))
		if err != nil {
			t.Fatal(err)
		}
		open = len(files)
		return open < 600
	})
	now, most := rss(t, p.serviceStarts.PID())
	note(t, t.Name(), fmt.Sprintf("%d connections to the session service without a token: %d files stay open; %d MB before, %d MB after, %d MB at the most", connections, open, before, now, most))
}

// TestManyEmptyLines sends the session service batches of 8 million bytes that are empty lines, or
// more calls than one may have: each is refused, and costs little.
func TestManyEmptyLines(t *testing.T) {
	p := djangoWith(t, "db")
	before, _ := rss(t, p.serviceStarts.PID())
	for _, filler := range []string{"\n", "\r\n", "/v1/lookup {}\n"} {
		body := bytes.Repeat([]byte(filler), 8_000_000/len(filler))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/v1/batch", p.service), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%q: %v", filler, err)
		}
		if text := readAll(t, response); response.StatusCode != 400 && response.StatusCode != 413 {
			t.Errorf("a batch of %q: %d %s", filler, response.StatusCode, text[:min(200, len(text))])
		}
		response.Body.Close()
	}
	_, most := rss(t, p.serviceStarts.PID())
	if most > before+64 {
		t.Errorf("the service grew from %d to %d MB", before, most)
	}
	note(t, t.Name(), fmt.Sprintf("batches of 8 million empty lines: refused; the session service %d MB before, %d MB at the most", before, most))
}
