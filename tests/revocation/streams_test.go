package revocation

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/session"
)

// beat is the interval of events on an open stream.
const beat = 20 * time.Millisecond

// speak is an upstream whose responses do not end: server-sent events, or the bytes after an
// upgrade to WebSocket, as far as a proxy parses them.
func speak(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		for _, err := fmt.Fprint(conn, "beat\n"); err == nil; _, err = fmt.Fprint(conn, "beat\n") {
			time.Sleep(beat)
		}
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		fmt.Fprint(w, "data: beat\n\n")
		w.(http.Flusher).Flush()
		time.Sleep(beat)
	}
}

// stream is a stream that a client has open.
type stream struct {
	conn net.Conn
	read *bufio.Reader
}

func openStream(t *testing.T, base, key, upgrade string) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /live HTTP/1.1\r\nHost: site.test\r\nCookie: sessionid=%s\r\n%s\r\n", key, upgrade)
	s := &stream{conn, bufio.NewReader(conn)}
	status, err := s.read.ReadString('\n')
	if err != nil || !(strings.Contains(status, " 200 ") || strings.Contains(status, " 101 ")) {
		t.Fatalf("%q, %v", status, err)
	}
	if !s.beats(t) {
		t.Fatal("the stream ended at once")
	}
	return s
}

// beats waits for the next event; it returns false if the stream has ended.
func (s *stream) beats(t *testing.T) bool {
	t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
		return false
	}
	for {
		line, err := s.read.ReadString('\n')
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Error("the stream neither lives nor ends")
			return false
		case err != nil:
			if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the stream ends with %v", err)
			}
			return false
		case strings.Contains(line, "beat"):
			return true
		}
	}
}

// TestStreamsEndWithTheSession opens streams of two sessions on two Envoys, and ends one session.
func TestStreamsEndWithTheSession(t *testing.T) {
	t.Run("stored", func(t *testing.T) {
		s := newSite(t, streaming(t, nil))
		keys := s.create(2)
		testStreams(t, s, "streams", keys, s.flushing(keys[0]))
	})
	t.Run("in a signed cookie", func(t *testing.T) {
		s := newSite(t, streaming(t, signedEngine()))
		s.create(0)
		keys := signedCookies(t, 2)
		testStreams(t, s, "streams of signed cookies", keys, func() error {
			return s.flush(map[string]any{"key": session.SignedID(keys[0]), "age": signedAge})
		})
	})
}

// streaming returns a site that closes streams.
func streaming(t *testing.T, engine map[string]any) shape {
	config := map[string]any{"end_streams": true}
	if engine != nil {
		config["engine"] = engine
	}
	return shape{
		envoys: 2, workers: 2, services: 1, url: "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3"), timeout: "2s",
		cache: map[string]any{"ttl": "1h"}, config: config, upstream: http.HandlerFunc(speak),
	}
}

// testStreams checks that end ends the first session, and no other.
func testStreams(t *testing.T, s *site, name string, keys []string, end func() error) {
	kinds := map[string]string{"server-sent events": "", "WebSocket": "Connection: Upgrade\r\nUpgrade: websocket\r\n"}
	var ending, staying []*stream
	for _, upgrade := range kinds {
		for _, base := range s.Bases {
			for range 3 {
				ending = append(ending, openStream(t, base, keys[0], upgrade))
				staying = append(staying, openStream(t, base, keys[1], upgrade))
			}
		}
	}
	began := time.Now()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	var last time.Duration
	var reading sync.WaitGroup
	var mu sync.Mutex
	for _, stream := range ending {
		reading.Go(func() {
			for stream.beats(t) {
				mu.Lock()
				last = max(last, time.Since(began))
				mu.Unlock()
				if time.Since(began) > patience {
					t.Error("a stream outlives its session")
					return
				}
			}
		})
	}
	reading.Wait()
	for _, stream := range staying {
		if !stream.beats(t) {
			t.Error("a stream of another session was closed")
		}
	}
	// An outage must close no stream.
	if err := s.Replicas[0].Hang(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, stream := range staying {
			if !stream.beats(t) {
				t.Fatal("an outage has closed a stream")
			}
		}
	}
	if err := s.Replicas[0].Resume(); err != nil {
		t.Fatal(err)
	}
	note(t, name, fmt.Sprintf(name+": %d server-sent events and WebSockets on 2 Envoys ended with their session, the last event %s after it; %d of another session stayed open", len(ending), last.Round(time.Millisecond), len(staying)))
}
