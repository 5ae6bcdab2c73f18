package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"cloakroom/cmd/cloakroom/sim"
	"cloakroom/hostsim"
)

type simCmd struct {
	File string `arg:"" optional:"" type:"path" help:"What to run, YAML: plugins, clusters, routes, workers, faults. In its place, for one plugin: --wasm and the flags after it."`

	Wasm     string            `type:"path" placeholder:"FILE" group:"One plugin" help:"The plugin: WebAssembly for the proxy-wasm ABI 0.2."`
	Config   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"The plugin's configuration. YAML (.yaml, .yml) reaches it as JSON, anything else as it is."`
	Env      []string          `placeholder:"NAME[=VALUE]" sep:"none" group:"One plugin" help:"A variable of the plugin's environment; without a value, this process's own. May be repeated."`
	Upstream string            `placeholder:"URL" group:"One plugin" help:"Where requests go, as http://host:port."`
	Cluster  map[string]string `placeholder:"NAME=URL" group:"One plugin" help:"A cluster that the plugin may call; may be repeated."`
	Routes   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"Routes, YAML: a list of {name, path or prefix, cluster, timeout, metadata}, the first match wins. Without it one route leads everything to --upstream."`
	Workers  int               `default:"1" group:"One plugin" help:"How many VMs serve."`
	Faults   string            `type:"path" placeholder:"FILE" group:"One plugin" help:"What is to go wrong, YAML: {seed, faults: [{on, do, cluster, path, by, nth, every, share}]}."`

	Listen    string        `default:"127.0.0.1:10000" placeholder:"ADDR" help:"Address for HTTP/1.1 and HTTP/2 without TLS; port 0 takes a free one."`
	Admin     string        `placeholder:"ADDR" help:"Address for /metrics, in Prometheus's form."`
	Trace     bool          `help:"Print each call into the plugin and out of it, with all that passes: cookies, tokens, bodies."`
	NoReload  bool          `help:"Do not start anew when a file changes."`
	Cache     string        `default:"${cache}" placeholder:"DIR" help:"Keeps the compiled plugin for the next start; empty: does not. Default: ${default}."`
	CallLimit time.Duration `placeholder:"DURATION" help:"End the plugin's VM if one call into it takes longer; without it, none is ended, as in Envoy."`
	LogLevel  string        `default:"info" enum:"trace,debug,info,warn,error,critical" help:"Lines of the plugin below it are dropped: ${enum}."`
}

// userCache is where compiled plugins are kept, if the user has such a place.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "cloakroom")
}

func (c *simCmd) Run(ctx context.Context, a *app) error {
	if (c.File == "") == (c.Wasm == "") {
		return fmt.Errorf("%w: sim wants either a file or --wasm", errUsage)
	}
	o := sim.Options{
		Listen: c.Listen, Admin: c.Admin, CacheDir: c.Cache, CallLimit: c.CallLimit, LogLevel: levelOf(c.LogLevel),
		Trace: c.Trace, NoReload: c.NoReload, Env: a.env, Log: a.stderr,
	}
	what := c.Wasm
	if c.File != "" {
		what, o.Files = c.File, []string{c.File}
		o.Setup = func() (sim.Setup, error) { return sim.ReadSetup(c.File) }
	} else {
		if _, taken := c.Cluster["upstream"]; taken || c.Upstream == "" {
			return fmt.Errorf("%w: --upstream URL is needed, and gives the cluster of that name", errUsage)
		}
		o.Files = []string{c.Routes}
		o.Setup = c.setup
	}
	err := sim.Run(ctx, o)
	if err == nil {
		return nil
	}
	if err = fmt.Errorf("%s: %w", what, err); errors.Is(err, sim.ErrUsage) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

// setup is what the flags say.
func (c *simCmd) setup() (sim.Setup, error) {
	s := sim.Setup{
		Plugins:  []sim.Plugin{{Wasm: c.Wasm, File: c.Config, Env: c.Env}},
		Clusters: map[string]string{"upstream": c.Upstream},
		Workers:  c.Workers,
		Faults:   c.Faults,
	}
	maps.Copy(s.Clusters, c.Cluster)
	if c.Routes == "" {
		return s, nil
	}
	var err error
	if s.Routes, err = sim.ReadRoutes(c.Routes); err != nil {
		return s, fmt.Errorf("--routes: %w", err)
	}
	return s, nil
}

func levelOf(name string) hostsim.Level {
	for l := hostsim.Trace; l < hostsim.Critical; l++ {
		if l.String() == name {
			return l
		}
	}
	return hostsim.Critical
}
