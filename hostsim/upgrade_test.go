package hostsim_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

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

// The guest can reset a stream from another callback: the client's connection is closed.
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
