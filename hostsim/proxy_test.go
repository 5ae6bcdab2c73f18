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

// serve starts a host with an upstream, and a server for it.
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

// The events of an event stream reach the client as they are sent.
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

// A response that is cut off is also cut off for the client.
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

// Some requests are refused before the filters.
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

// The timeout of a route is a 504, and a reset if the response has begun.
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

// After an early response to an upload the connection is not reused.
func TestEarlyAnswer(t *testing.T) {
	_, server := serve(t, app, nil)
	for _, size := range []int{5, 100_000, 3 << 20} {
		req, err := http.NewRequest("POST", server.URL, strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("probe-request-headers", "reply 403 -1 x-a=1 no")
		req.Header.Set("Expect", "100-continue") // keeps the upload from hiding the response
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

// A client that disconnects ends its stream, also while a filter pauses it.
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
