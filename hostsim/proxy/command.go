package proxy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"cloakroom/hostsim"
)

// Command is the command line of a proxy, with tags for github.com/alecthomas/kong. The
// variable cache is the default of --cache: see CacheDir.
type Command struct {
	File string `arg:"" optional:"" type:"path" help:"What to run, YAML: plugins, clusters, routes, workers, faults. In its place, for one plugin: --wasm and the flags after it."`

	Wasm     string            `type:"path" placeholder:"FILE" group:"One plugin" help:"The plugin: WebAssembly for the proxy-wasm ABI 0.2."`
	Config   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"The plugin's configuration. YAML (.yaml, .yml) reaches it as JSON, anything else as it is."`
	Env      []string          `placeholder:"NAME[=VALUE]" sep:"none" group:"One plugin" help:"A variable of the plugin's environment; without a value, this process's own. May be repeated."`
	Upstream string            `placeholder:"URL" group:"One plugin" help:"Where requests go, as http://host:port."`
	Cluster  map[string]string `placeholder:"NAME=URL" group:"One plugin" help:"A cluster that the plugin may call; may be repeated."`
	Routes   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"Routes, YAML: a list of {name, path or prefix, cluster, timeout, metadata}, the first match wins. Without it one route leads everything to --upstream."`
	Workers  int               `default:"1" group:"One plugin" help:"How many VMs serve."`
	Faults   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"Faults to inject, YAML: {seed, faults: [{on, do, cluster, path, by, nth, every, share}]}."`

	Listen    string        `default:"127.0.0.1:10000" placeholder:"ADDR" help:"Address for HTTP/1.1 and HTTP/2 without TLS; port 0 takes a free one."`
	Admin     string        `placeholder:"ADDR" help:"Address for /metrics, in Prometheus's form."`
	Trace     bool          `help:"Print each call into the plugin and out of it, with all that passes: cookies, tokens, bodies."`
	NoReload  bool          `help:"Do not reload when a file changes."`
	Cache     string        `default:"${cache}" placeholder:"DIR" help:"Keeps the compiled plugin for the next start; empty: does not. Default: ${cache}."`
	CallLimit time.Duration `placeholder:"DURATION" help:"End the plugin's VM if one call into it takes longer; without it, none is ended, as in Envoy."`
	LogLevel  string        `default:"info" enum:"trace,debug,info,warn,error,critical" help:"Lines of the plugin below it are dropped: ${enum}."`
}

// CacheDir returns the directory for the compiled plugins of a program, or "" if the user has
// no directory for caches.
func CacheDir(program string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, program)
}

// Serve serves requests as the flags say, until ctx ends. env looks up a variable of the
// environment; log gets the log lines. For flags that contradict each other the error is
// ErrSetup.
func (c *Command) Serve(ctx context.Context, env func(string) (string, bool), log io.Writer) error {
	o := Options{
		Listen: c.Listen, Admin: c.Admin, CacheDir: c.Cache, CallLimit: c.CallLimit, LogLevel: levelOf(c.LogLevel),
		Trace: c.Trace, NoReload: c.NoReload, Env: env, Log: log,
	}
	file := c.File
	switch _, taken := c.Cluster["upstream"]; {
	case (c.File == "") == (c.Wasm == ""):
		return fmt.Errorf("%w: want either FILE or --wasm", ErrSetup)
	case c.File != "":
		o.Files = []string{c.File}
		o.Setup = func() (Setup, error) { return ReadSetup(c.File) }
	case c.Upstream == "":
		return fmt.Errorf("%w: --upstream URL is required with --wasm", ErrSetup)
	case taken:
		return fmt.Errorf("%w: --cluster upstream=URL: --upstream sets the cluster of that name", ErrSetup)
	default:
		file, o.Files, o.Setup = c.Wasm, []string{c.Routes}, c.setup
	}
	if err := Run(ctx, o); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// setup returns the setup for the flags of one plugin.
func (c *Command) setup() (Setup, error) {
	s := Setup{
		Plugins:  []Plugin{{Wasm: c.Wasm, File: c.Config, Env: c.Env}},
		Clusters: map[string]string{"upstream": c.Upstream},
		Workers:  c.Workers,
		Faults:   c.Faults,
	}
	maps.Copy(s.Clusters, c.Cluster)
	if c.Routes == "" {
		return s, nil
	}
	var err error
	if s.Routes, err = ReadRoutes(c.Routes); err != nil {
		return s, fmt.Errorf("--routes: %w", err)
	}
	return s, nil
}

// levelOf returns the level of a name.
func levelOf(name string) hostsim.Level {
	for l := hostsim.Trace; l < hostsim.Critical; l++ {
		if l.String() == name {
			return l
		}
	}
	return hostsim.Critical
}
