package planes

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gateway is one running gateway.
type gateway struct {
	name    string // with Envoy's version
	address string
	admin   string         // its admin interface, "http://…"
	pool    *x509.CertPool // nil: plain HTTP
}

// reply is a response, and what the upstream received if it was the upstream's.
type reply struct {
	status int
	header http.Header
	body   string
	seen   *seen
}

func (r reply) String() string { return fmt.Sprintf("%d %v %.120q", r.status, r.header, r.body) }

// dial connects to the gateway.
func (g *gateway) dial() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", g.address, 10*time.Second)
	if err != nil || g.pool == nil {
		return conn, err
	}
	return tls.Client(conn, &tls.Config{RootCAs: g.pool, ServerName: host}), nil
}

// send writes a request on a connection of its own, byte for byte but for the lines that every
// request has, and reads the response.
func (g *gateway) send(method, path string, lines ...string) (reply, error) {
	conn, err := g.dial()
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return reply{}, err
	}
	return exchange(conn, bufio.NewReader(conn), method, path, append(lines, "Connection: close")...)
}

// exchange sends a request on a connection, and reads the response.
func exchange(conn io.Writer, reader *bufio.Reader, method, path string, lines ...string) (reply, error) {
	text := method + " " + path + " HTTP/1.1\r\n"
	if !strings.Contains(strings.Join(lines, "\n"), "Host:") {
		text += "Host: " + host + "\r\n"
	}
	for _, line := range lines {
		text += line + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		return reply{}, err
	}
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: response.StatusCode, header: response.Header, body: string(body)}
	var s seen
	if json.NewDecoder(bytes.NewReader(body)).Decode(&s) == nil && s.Path != "" {
		r.seen = &s
	}
	return r, nil
}

// get sends a request as a script does, with a session if key is not empty.
func (g *gateway) get(t *testing.T, path, key string) reply {
	t.Helper()
	r, err := g.send(http.MethodGet, path, asScript(key)...)
	if err != nil {
		t.Fatalf("%s: GET %s: %v", g.name, path, err)
	}
	return r
}

func asScript(key string) []string {
	lines := []string{"Sec-Fetch-Mode: cors", "Accept: */*"}
	if key != "" {
		lines = append(lines, "Cookie: sessionid="+key)
	}
	return lines
}

// status returns an error unless a request gets the status.
func (g *gateway) status(path, key string, want int) error {
	r, err := g.send(http.MethodGet, path, asScript(key)...)
	if err == nil && r.status != want {
		err = fmt.Errorf("%s: GET %s: %v, want %d", g.name, path, r, want)
	}
	return err
}

// socket is an open WebSocket.
type socket struct {
	conn net.Conn
	read *bufio.Reader
}

func (g *gateway) open(t *testing.T, path, key string) *socket {
	t.Helper()
	conn, err := g.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: sessionid=%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", path, host, key)
	s := &socket{conn, bufio.NewReader(conn)}
	status, err := s.read.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		t.Fatalf("%s: a WebSocket: %q, %v", g.name, status, err)
	}
	if err := s.beat(); err != nil {
		t.Fatalf("%s: a WebSocket: %v", g.name, err)
	}
	return s
}

// beat waits for the upstream's next bytes.
func (s *socket) beat() error {
	if err := s.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	for {
		line, err := s.read.ReadString('\n')
		if err != nil || strings.Contains(line, "beat") {
			return err
		}
	}
}

// end waits for the end of the WebSocket, and calls spoke for what comes before.
func (s *socket) end(spoke func()) error {
	began := time.Now()
	for {
		err := s.beat()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return errors.New("the WebSocket neither lives nor ends")
		case err != nil:
			return nil
		case time.Since(began) > 20*time.Second:
			return errors.New("the WebSocket outlives its session")
		}
		spoke()
	}
}
