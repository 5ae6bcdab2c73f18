package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// cachedSessions is how many sessions a worker caches.
const cachedSessions = 10_000

// soak measures the memory for cached sessions, and whether Envoy's memory grows with many
// requests.
func (c *cli) soak(ctx context.Context) (string, error) {
	b, err := newBench(ctx, false)
	if err != nil {
		return "", err
	}
	defer b.stop()
	var cached side
	for _, s := range sides(b) {
		if s.Name == "cached" {
			cached = s
		}
	}
	keys, err := b.sessions(ctx, cachedSessions, sessionData)
	if err != nil {
		return "", err
	}
	envoy, err := b.envoy(ctx, []side{cached}, 1)
	if err != nil {
		return "", err
	}
	defer envoy.Stop()
	s := envoy.sides[0]
	// The garbage collector's heap settles with some load.
	if _, err := requests(ctx, s.requests(keys[0]), c.Connections, 5*time.Second); err != nil {
		return "", err
	}
	before, err := residentBytes(envoy.PID())
	if err != nil {
		return "", err
	}
	var sent atomic.Uint64
	all := s.requestsOf(keys, &sent)
	var text strings.Builder
	fmt.Fprintf(&text, "Envoy's resident memory, one worker; %d sessions of %d bytes.\n\n| requests | memory |\n|---|---|\n| one session | %d MB |\n",
		cachedSessions, len(sessionData), before>>20)
	for next := uint64(cachedSessions); ; {
		if _, err := requests(ctx, all, c.Connections, time.Second); err != nil {
			return "", err
		}
		n := sent.Load()
		fmt.Fprintf(os.Stderr, "\r%d of %d requests", n, c.Soak)
		if n < next {
			continue
		}
		now, err := residentBytes(envoy.PID())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "| %d, of all sessions | %d MB |\n", n, now>>20)
		if n >= c.Soak {
			fmt.Fprint(os.Stderr, "\r")
			callouts, err := envoy.Stat(ctx, "wasmcustom.cloakroom.callouts")
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&text, "\n%d callouts in all.\n", callouts)
			return text.String(), nil
		}
		next = min(c.Soak, max(n+1, 2*n))
	}
}

// requestsOf returns requests for one page, with each session in turn.
func (s side) requestsOf(keys []string, sent *atomic.Uint64) nextRequest {
	return func(ctx context.Context) (*http.Request, error) {
		return s.requests(keys[sent.Add(1)%uint64(len(keys))])(ctx)
	}
}
