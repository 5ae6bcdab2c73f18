package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cloakroom/session/sessiontest"
)

// served is a service on its own port.
type served struct {
	address string
	stop    context.CancelFunc
	log     *bufio.Reader
	status  chan int
}

var readyLine = regexp.MustCompile(`msg=ready address=(\S+)`)

func serveFor(t *testing.T, url string) *served {
	t.Helper()
	reader, writer := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	s := &served{stop: stop, log: bufio.NewReader(reader), status: make(chan int, 1)}
	a := &app{strings.NewReader(""), io.Discard, writer, lookupIn(secrets())}
	go func() {
		s.status <- a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--store", url, "--accounts", "off"})
		writer.Close()
	}()
	s.address = s.until(t, readyLine)
	return s
}

// until reads the log up to a line that matches, and returns the text of the pattern's group.
func (s *served) until(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := s.log.ReadString('\n')
		seen.WriteString(line)
		if found := pattern.FindStringSubmatch(line); found != nil {
			return found[len(found)-1]
		}
		if err != nil {
			t.Fatalf("the service ended before it logged %v:\n%s", pattern, seen.String())
		}
	}
}

// end stops the service and waits for it.
func (s *served) end(t *testing.T) {
	t.Helper()
	s.stop()
	go io.Copy(io.Discard, s.log)
	if status := <-s.status; status != 0 {
		t.Errorf("got status %d, want 0", status)
	}
}

func TestServeProtocols(t *testing.T) {
	s := serveFor(t, database(t))
	defer s.end(t)
	for major, set := range map[int]func(*http.Protocols){
		1: func(p *http.Protocols) { p.SetHTTP1(true) },
		2: func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		var protocols http.Protocols
		set(&protocols)
		transport := &http.Transport{Protocols: &protocols}
		defer transport.CloseIdleConnections()
		body := `{"key":"` + sessiontest.Key(t) + `"}`
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.address+"/v1/lookup", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer token")
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || response.ProtoMajor != major || !bytes.Contains(got, []byte(`"none"`)) {
			t.Errorf("HTTP/%d: got HTTP/%d %d %s, %v", major, response.ProtoMajor, response.StatusCode, got, err)
		}
	}
}

// TestServeDrains checks that a request in progress when the service is stopped gets its response.
func TestServeDrains(t *testing.T) {
	s := serveFor(t, database(t))
	connection, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := `{"key":"` + sessiontest.Key(t) + `"}`
	// The service reads the body only after it has begun to handle the request.
	fmt.Fprintf(connection, "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	reader := bufio.NewReader(connection)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	reader.ReadString('\n')
	s.stop()
	s.until(t, regexp.MustCompile("msg=stopping"))
	io.WriteString(connection, body)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("got %d, want 200", response.StatusCode)
	}
	s.end(t)
	if _, err := net.Dial("tcp", s.address); err == nil {
		t.Errorf("the service still listens")
	}
}
