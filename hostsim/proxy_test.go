package hostsim_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
)

// serve gives the host an address, with the upstream that is wanted.
func serve(t *testing.T, upstream http.HandlerFunc, change func(*hostsim.Config)) (*hostsim.Host, *httptest.Server) {
	t.Helper()
	h := newProbe(t, func(c *hostsim.Config) {
		c.Clusters["app"] = hostsim.Handler(upstream)
		if change != nil {
			change(c)
		}
	})
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server
}

// echoUpgrade switches protocols and sends back what it gets, line by line.
func echoUpgrade(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(conn, "echo "+line)
	}
}

// dialUpgrade opens a WebSocket-like stream through the host.
func dialUpgrade(t *testing.T, server *httptest.Server, header string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s\r\n\r\n", header)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %d %v, want 101 to websocket", resp.StatusCode, resp.Header)
	}
	return conn, r
}

func TestUpgrade(t *testing.T) {
	h, server := serve(t, echoUpgrade, nil)
	conn, r := dialUpgrade(t, server, "probe-request-body: body req 0 99")
	for _, word := range []string{"one", "two"} {
		fmt.Fprintln(conn, word)
		if got, err := r.ReadString('\n'); err != nil || got != "echo "+word+"\n" {
			t.Fatalf("got %q, %v, want the echo of %q", got, err, word)
		}
	}
	conn.Close()
	waitFor(t, func() bool { return len(h.Logs()) >= 4 })
	if got, want := transcript(h), "request-body: body req 0 99 -> one\n"; !strings.Contains(got, want) {
		t.Errorf("log %q, want it to contain %q", got, want)
	}
}

// The guest can end a live stream from another callback: the client sees its end.
func TestCloseUpgraded(t *testing.T) {
	h, server := serve(t, echoUpgrade, nil)
	_, r := dialUpgrade(t, server, "probe-request-headers: save\r\nprobe-done: say done")
	send(h, "GET", "/", "", "probe-request-headers: effective saved; close 2; close 0; effective own; reply 204 -1")
	if got, err := r.ReadString('\n'); err != io.EOF {
		t.Errorf("got %q, %v, want the end", got, err)
	}
	waitFor(t, func() bool { return len(h.Logs()) == 7 })
	if got := h.Logs()[6].Message; got != "done: say done -> done" {
		t.Errorf("got last line %q, want the stream's done", got)
	}
}

// An event stream reaches the client event by event.
func TestStreaming(t *testing.T) {
	next := make(chan struct{})
	_, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
	}, nil)
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for i := range 3 {
		if got, err := r.ReadString('\n'); err != nil || got != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v, want event %d", got, err, i)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}

// A response that breaks off reaches the client broken off.
func TestBrokenResponse(t *testing.T) {
	h, server := serve(t, app, nil)
	resp, err := http.Get(server.URL + "/half")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("got %q without an error, want a broken body", b)
	}
	if err := h.Failed(); err != nil {
		t.Error(err)
	}
}

// Some requests do not reach the filter.
func TestRefused(t *testing.T) {
	h, server := serve(t, app, nil)
	for name, c := range map[string]struct {
		lines string
		want  int
	}{
		"fragment":      {"GET /a#b HTTP/1.1\r\n", 400},
		"large headers": {"GET / HTTP/1.1\r\nCookie: " + strings.Repeat("x", 61<<10) + "\r\n", 431},
		"many headers":  {"GET / HTTP/1.1\r\n" + strings.Repeat("X: 1\r\n", 101), 431},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%sHost: h\r\nprobe-request-headers: say reached\r\n\r\n", c.lines)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != c.want {
			t.Errorf("%s: got %d, want %d", name, resp.StatusCode, c.want)
		}
		conn.Close()
	}
	wantTranscript(t, h)
}

// A route's time-out is a 504, and cuts an answer that has begun.
func TestRouteTimeout(t *testing.T) {
	timeout := func(c *hostsim.Config) {
		c.Routes = []hostsim.Route{{Prefix: "/", Cluster: "app", Timeout: 20 * time.Millisecond}}
	}
	_, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}, timeout)
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, resp); resp.StatusCode != 504 || got != "upstream request timeout" {
		t.Errorf("got %d %q, want 504", resp.StatusCode, got)
	}
	if resp, err = http.Get(server.URL + "/begun"); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("got %q without an error, want a broken body", b)
	}
}

// An upload that is answered early does not harm the connection's next user.
func TestEarlyAnswer(t *testing.T) {
	_, server := serve(t, app, nil)
	for _, size := range []int{5, 100_000, 3 << 20} {
		req, err := http.NewRequest("POST", server.URL, strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("probe-request-headers", "reply 403 -1 x-a=1 no")
		req.Header.Set("Expect", "100-continue") // so that the answer is not lost to the upload
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, resp); resp.StatusCode != 403 || got != "no" {
			t.Errorf("%d bytes: got %d %q, want 403 no", size, resp.StatusCode, got)
		}
	}
}

// Trailers pass in both directions, pause, and can be changed and added.
func TestTrailers(t *testing.T) {
	var received http.Header
	h, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		received = r.Trailer
		w.Header().Set("Trailer", "X-Down")
		io.WriteString(w, "body")
		w.Header().Set("X-Down", "1")
	}, func(c *hostsim.Config) { c.Trailers = true })
	req, err := http.NewRequest("POST", server.URL, io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Up": {"1"}}
	for callback, script := range map[string]string{
		"request-trailers":  "pairs reqt; set reqt x-up 2; call calls /c 1000; pause",
		"call":              "effective own; get reqt x-up; resume",
		"response-trailers": "pairs respt; add respt x-more 3",
	} {
		req.Header.Set("probe-"+callback, script)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text(t, resp)
	if got := received.Get("X-Up"); got != "2" {
		t.Errorf("the upstream's trailer: got %q, want 2", got)
	}
	if down, more := resp.Trailer.Get("X-Down"), resp.Trailer.Get("X-More"); down != "1" || more != "3" {
		t.Errorf("the client's trailers: got %v, want X-Down 1 and X-More 3", resp.Trailer)
	}
	wantTranscript(t, h,
		"request-trailers: pairs reqt -> [[x-up 1]]", "request-trailers: set reqt x-up 2", "request-trailers: call calls /c 1000",
		"call: answer headers=true body=8 trailers=0 status=200 POST /c ", "call: effective own", "call: get reqt x-up -> 2", "call: resume",
		"response-trailers: pairs respt -> [[x-down 1]]", "response-trailers: add respt x-more 3")
}

// A client that goes away ends its stream, while the filter has it paused.
func TestClientGone(t *testing.T) {
	h, server := serve(t, app, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("probe-request-headers", "say paused; pause")
	req.Header.Set("probe-done", "say done")
	finished := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(req)
		finished <- err
	}()
	waitFor(t, func() bool { return len(h.Logs()) == 1 })
	cancel()
	if err := <-finished; err == nil {
		t.Error("got an answer, want none")
	}
	waitFor(t, func() bool { return len(h.Logs()) == 2 })
	wantTranscript(t, h, "request-headers: say paused -> paused", "done: say done -> done")
}

// Many clients at once, with callouts and bodies, on two workers.
func TestConcurrent(t *testing.T) {
	_, server := serve(t, app, func(c *hostsim.Config) { c.Workers, c.LogLevel = 2, hostsim.Warn })
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("POST /%d/%d ", i, j)
				body := strings.Repeat("x", j*1000)
				req, _ := http.NewRequest("POST", fmt.Sprintf("%s/%d/%d", server.URL, i, j), strings.NewReader(body))
				if j%2 == 0 {
					req.Header.Set("probe-request-headers", "call calls /c 5000; pause")
					req.Header.Set("probe-call", "effective own; resume")
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(got) != want+body {
					t.Errorf("got %d bytes, %v, want %q and %d bytes", len(got), err, want, len(body))
				}
			}
		})
	}
	clients.Wait()
}
