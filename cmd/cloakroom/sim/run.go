package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cloakroom/hostsim"
)

// Options say how the proxy runs.
type Options struct {
	// Setup is read anew when one of the files changes.
	Setup func() (Setup, error)
	Files []string // that Setup itself reads

	Listen, Admin string // addresses; no Admin: none
	CacheDir      string
	CallLimit     time.Duration
	LogLevel      hostsim.Level
	Trace         bool
	NoReload      bool
	Env           func(string) (string, bool)
	Log           io.Writer
}

const (
	drain       = 3 * time.Second // that requests may take to end after the signal to stop
	headerBytes = 60 << 10        // as in Envoy
)

// Run proxies until ctx ends.
func Run(ctx context.Context, o Options) error {
	log := &lines{w: o.Log}
	var seen state
	p := &proxy{log: log, make: func(ctx context.Context) (*hostsim.Host, error) {
		seen = stateOf(o.Files) // before they are read: a change while they are is seen later
		setup, err := o.Setup()
		if err != nil {
			return nil, err
		}
		for _, path := range setup.paths() {
			seen = seen.with(*path)
		}
		config, err := setup.config(o.Env)
		if err != nil {
			return nil, err
		}
		config.CacheDir, config.CallLimit, config.LogLevel = o.CacheDir, o.CallLimit, o.LogLevel
		config.Log = func(l hostsim.Level, message string) { fmt.Fprintf(log, "wasm %s: %s\n", l, message) }
		if o.Trace {
			config.Trace = func(line string) { fmt.Fprintln(log, "trace:", line) }
		}
		return hostsim.New(ctx, config)
	}}
	if err := p.load(ctx); err != nil {
		return err
	}
	servers := []*server{{name: "--listen", address: o.Listen, says: "ready: http://%s/\n", handler: p}}
	if o.Admin != "" {
		servers = append(servers, &server{name: "--admin", address: o.Admin, says: "admin: http://%s/metrics\n", handler: admin(p)})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var background sync.WaitGroup
	if !o.NoReload {
		background.Go(func() { p.watch(ctx, func() state { return seen }) })
	}
	err := serve(ctx, servers, log)
	cancel()
	background.Wait()
	return errors.Join(err, p.close())
}

// admin is for whoever runs the proxy.
func admin(p *proxy) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{p.metrics})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	return mux
}

// server is one address that is served.
type server struct {
	name, address, says string
	handler             http.Handler
	listener            net.Listener
}

// serve serves all until ctx ends, or one of them fails; what runs longer than
// drain then is cut off.
func serve(ctx context.Context, servers []*server, log io.Writer) error {
	for i, s := range servers {
		var err error
		if s.listener, err = net.Listen("tcp", s.address); err != nil {
			for _, open := range servers[:i] {
				_ = open.listener.Close()
			}
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var failed error
	var all sync.WaitGroup
	for _, s := range servers {
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		h := &http.Server{Handler: s.handler, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: headerBytes}
		all.Go(func() {
			if err := h.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				stop()
			}
		})
		all.Go(func() {
			<-ctx.Done()
			late, cancel := context.WithTimeout(context.Background(), drain)
			defer cancel()
			if h.Shutdown(late) != nil {
				_ = h.Close()
			}
		})
	}
	for _, s := range servers {
		fmt.Fprintf(log, s.says, s.listener.Addr())
	}
	all.Wait()
	return failed
}

// lines is a writer for several goroutines: each write is whole.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
