package sim

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

// generation is one host, from one reading of the files.
type generation struct {
	host    *hostsim.Host
	serving sync.WaitGroup // requests
}

// proxy serves with the newest generation whose files were good.
type proxy struct {
	make func(context.Context) (*hostsim.Host, error)
	log  io.Writer

	mu      sync.Mutex
	current *generation
}

func (p *proxy) enter() *generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.serving.Add(1)
	return p.current
}

// ServeHTTP serves a request with the generation that is current when it comes.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := p.enter()
	defer g.serving.Done()
	g.host.ServeHTTP(w, r)
}

func (p *proxy) metrics() map[string]hostsim.Metric {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.host.Metrics()
}

// load makes a new generation. The old one ends when its requests have.
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

func (p *proxy) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.host.Close(context.Background())
}

// pollEvery is how often the files are looked at: a change counts once it has
// stayed the same from one look to the next.
const pollEvery = 250 * time.Millisecond

// watch loads again whenever one of the files that were read has changed, until ctx
// ends. seen returns the state in which the last load read them. Where the change is
// in error watch logs that, and the proxy keeps what it had.
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

// state is what files were like at a time.
type state struct {
	files []string
	stamp string // sizes and times
}

// stateOf returns the state of files now.
func stateOf(files []string) (s state) {
	for _, file := range files {
		s = s.with(file)
	}
	return s
}

// with returns the state with one more file, as that is now.
func (s state) with(file string) state {
	stamp := s.stamp + file
	if info, err := os.Stat(file); err == nil {
		stamp += fmt.Sprint(" ", info.Size(), info.ModTime().UnixNano())
	}
	return state{append(slices.Clip(s.files), file), stamp + "\n"}
}
