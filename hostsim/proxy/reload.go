package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"cloakroom/hostsim"
)

// generation is a host that was started from one state of the files.
type generation struct {
	host    *hostsim.Host
	serving sync.WaitGroup // counts requests
}

// proxy serves requests with the last generation that started.
type proxy struct {
	make func(context.Context) (*hostsim.Host, error)
	log  io.Writer

	mu      sync.Mutex
	current *generation
}

// enter returns the current generation, and counts a request of it.
func (p *proxy) enter() *generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.serving.Add(1)
	return p.current
}

// ServeHTTP serves a request with the current generation.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := p.enter()
	defer g.serving.Done()
	g.host.ServeHTTP(w, r)
}

// metrics returns the metrics of the current generation.
func (p *proxy) metrics() map[string]hostsim.Metric {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.host.Metrics()
}

// load starts a new generation. The old one is closed when its requests have ended.
func (p *proxy) load(ctx context.Context) error {
	host, err := p.make(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	old := p.current
	p.current = &generation{host: host}
	p.mu.Unlock()
	if old != nil {
		go func() {
			old.serving.Wait()
			_ = old.host.Close(context.WithoutCancel(ctx))
		}()
	}
	return nil
}

// close closes the current generation.
func (p *proxy) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.host.Close(context.Background())
}

// pollEvery is the interval at which the files are checked. A change is loaded once two checks
// in a row have seen it.
const pollEvery = 250 * time.Millisecond

// watch loads a new generation whenever one of the files has changed, until ctx ends. seen
// returns the state of the files that the last load used. If a load fails, watch logs why and
// the proxy keeps its generation.
func (p *proxy) watch(ctx context.Context, seen func() state) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last := seen().stamp
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		loaded := seen()
		now := stateOf(loaded.files).stamp
		settled := now == last
		last = now
		if !settled || now == loaded.stamp {
			continue
		}
		if err := p.load(ctx); err != nil {
			fmt.Fprintf(p.log, "not reloaded: %v\n", err)
			continue
		}
		fmt.Fprintln(p.log, "reloaded")
	}
}

// state is the state of files at one time.
type state struct {
	files []string
	stamp string // their sizes and times of modification
}

// stateOf returns the current state of files.
func stateOf(files []string) (s state) {
	for _, file := range files {
		s = s.with(file)
	}
	return s
}

// with returns the state with the current state of one more file.
func (s state) with(file string) state {
	stamp := s.stamp + file
	if info, err := os.Stat(file); err == nil {
		stamp += fmt.Sprint(" ", info.Size(), info.ModTime().UnixNano())
	}
	return state{append(slices.Clip(s.files), file), stamp + "\n"}
}
