package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"cloakroom/hostsim"
)

// Options configure Run.
type Options struct {
	// Setup returns what to run. It is called again when one of the files changes.
	Setup func() (Setup, error)
	Files []string // what Setup itself reads

	Listen    string        // address of the proxy
	Admin     string        // address of /metrics; "" is none
	CacheDir  string        // as in hostsim.Config
	CallLimit time.Duration // as in hostsim.Config
	LogLevel  hostsim.Level // as in hostsim.Config
	Trace     bool          // logs each call into the plugins and out of them
	NoReload  bool          // ignores changes of the files
	Env       func(string) (string, bool)
	Log       io.Writer // gets the log lines, and the addresses once they listen
}

// Run serves requests until ctx ends. It returns an error if the plugins cannot be loaded, or an
// address cannot be served; see ErrSetup.
func Run(ctx context.Context, o Options) error {
	log := &lines{w: o.Log}
	var seen state
	p := &proxy{log: log, make: func(ctx context.Context) (host *hostsim.Host, err error) {
		host, seen, err = o.start(ctx, log)
		return host, err
	}}
	if err := p.load(ctx); err != nil {
		return err
	}
	servers := []*server{{flag: "--listen", address: o.Listen, ready: "ready: http://%s/\n", handler: p}}
	if o.Admin != "" {
		servers = append(servers, &server{flag: "--admin", address: o.Admin, ready: "admin: http://%s/metrics\n", handler: admin(p)})
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

// start reads the files and starts a host. seen is the state of the files before they were
// read, so that a change meanwhile is found by the next check.
func (o *Options) start(ctx context.Context, log io.Writer) (host *hostsim.Host, seen state, err error) {
	seen = stateOf(o.Files)
	setup, err := o.Setup()
	if err != nil {
		return nil, seen, err
	}
	for _, path := range setup.paths() {
		seen = seen.with(*path)
	}
	config, err := setup.config(o.Env)
	if err != nil {
		return nil, seen, err
	}
	config.CacheDir, config.CallLimit, config.LogLevel = o.CacheDir, o.CallLimit, o.LogLevel
	config.Log = func(l hostsim.Level, message string) { fmt.Fprintf(log, "wasm %s: %s\n", l, message) }
	if o.Trace {
		config.Trace = func(line string) { fmt.Fprintln(log, "trace:", line) }
	}
	host, err = hostsim.New(ctx, config)
	return host, seen, err
}

// lines is an io.Writer for several goroutines.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
