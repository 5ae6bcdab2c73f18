package revocation

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"cloakroom/store"
)

// afterOutage bounds how long streams outlive an outage of the session service in which their
// session ended: a poll in flight must time out (engine.service.timeout and a second), another
// worker must acquire the lease, and the lookup must be done.
const afterOutage = 10 * time.Second

// away returns a site with streams, whose service is stopped and can be started again.
func away(t *testing.T, more map[string]any) (s *site, streams []*stream, key string, back func()) {
	t.Helper()
	config := map[string]any{"end_streams": true}
	maps.Copy(config, more)
	s = newSite(t, shape{
		envoys: 1, workers: 2, services: 1, url: "sqlite://" + filepath.Join(t.TempDir(), "db.sqlite3"), timeout: "1s",
		cache: map[string]any{"ttl": "1h"}, config: config, upstream: http.HandlerFunc(speak),
	})
	key = s.create(1)[0]
	for range 4 {
		streams = append(streams, openStream(t, s.Bases[0], key, ""))
	}
	if err := s.Replicas[0].Stop(); err != nil {
		t.Fatal(err)
	}
	return s, streams, key, func() { s.StartReplica(t, 0) }
}

// TestStreamsAfterAnOutage ends a session in the store while the session service is stopped: its
// streams stay open that long, and are closed after it is started.
func TestStreamsAfterAnOutage(t *testing.T) {
	s, streams, key, back := away(t, nil)
	sessions, err := store.Open(t.Context(), s.url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		for _, stream := range streams {
			if !stream.beats(t) {
				t.Fatal("an outage has closed a stream")
			}
		}
	}
	back()
	began := time.Now()
	for _, stream := range streams {
		for stream.beats(t) {
			if time.Since(began) > afterOutage {
				t.Fatalf("a stream is open %s after the outage", time.Since(began))
			}
		}
	}
	note(t, "away", fmt.Sprintf("streams of a session that ended in an outage were closed %s after it (bound: %s)", time.Since(began).Round(10*time.Millisecond), afterOutage))
}

// TestStreamsEndWithTheService checks that end_streams_after closes streams while the service is
// unavailable.
func TestStreamsEndWithTheService(t *testing.T) {
	s, streams, _, back := away(t, map[string]any{"end_streams_after": "5s"})
	began := time.Now() // the service was stopped before: filter/worker tests how long they stay open at least
	for _, stream := range streams {
		for stream.beats(t) {
			if time.Since(began) > patience {
				t.Fatal("a stream is open with the service away")
			}
		}
	}
	back()
	key := s.create(1)[0]
	client := &http.Client{}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if status := head(t, client, s.Bases[0], key); status == http.StatusOK {
			break
		} else if time.Now().After(end) {
			t.Fatalf("with the service back: %d", status)
		}
	}
}

// head returns the status of a response whose body does not end.
func head(t *testing.T, client *http.Client, base, key string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Cookie", "sessionid="+key)
	request.Header.Set("Sec-Fetch-Mode", "cors")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
