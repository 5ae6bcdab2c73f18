package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"cloakroom/hostsim"
)

type simCmd struct {
	Wasm      string            `required:"" type:"path" placeholder:"FILE" help:"The plugin: WebAssembly for the proxy-wasm ABI 0.2."`
	Config    string            `type:"path" placeholder:"FILE" help:"The plugin's configuration. YAML (.yaml, .yml) reaches it as JSON, anything else as it is."`
	Listen    string            `default:"127.0.0.1:10000" placeholder:"ADDR" help:"Address for HTTP/1.1 without TLS; port 0 takes a free one."`
	Upstream  string            `required:"" placeholder:"URL" help:"Where requests go, as http://host:port."`
	Cluster   map[string]string `placeholder:"NAME=URL" help:"A cluster that the plugin may call; may be repeated."`
	Env       []string          `placeholder:"NAME[=VALUE]" sep:"none" help:"A variable of the plugin's environment; without a value, this process's own. May be repeated."`
	Routes    string            `type:"path" placeholder:"FILE" help:"Routes, YAML: a list of {name, path or prefix, cluster, metadata}, the first match wins. Without it one route leads everything to --upstream."`
	Workers   int               `default:"1" help:"How many VMs serve."`
	Cache     string            `default:"${cache}" placeholder:"DIR" help:"Keeps the compiled plugin for the next start; empty: does not. Default: ${default}."`
	CallLimit time.Duration     `placeholder:"DURATION" help:"End the plugin's VM if one call into it takes longer; without it, none is ended, as in Envoy."`
	LogLevel  string            `default:"info" enum:"trace,debug,info,warn,error,critical" help:"Lines of the plugin below it are dropped: ${enum}."`
}

// userCache is where compiled plugins are kept, if the user has such a place.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "cloakroom")
}

// simDrain is how long requests may take to end after the signal to stop.
const simDrain = 3 * time.Second

func (c *simCmd) Run(ctx context.Context, a *app) error {
	config, err := c.hostConfig(a)
	if err != nil {
		return err
	}
	host, err := hostsim.New(ctx, config)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Wasm, err)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("--listen: %w", err), host.Close(ctx))
	}
	fmt.Fprintf(a.stderr, "ready: http://%s/\n", listener.Addr())
	server := &http.Server{Handler: host, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 60 << 10}
	return errors.Join(serveUntilDone(ctx, server, listener), host.Close(context.WithoutCancel(ctx)))
}

// serveUntilDone serves until ctx ends; what runs longer than simDrain is cut off.
func serveUntilDone(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), simDrain)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close()
	}
	return nil
}

// hostConfig reads the files and flags.
func (c *simCmd) hostConfig(a *app) (hostsim.Config, error) {
	out := hostsim.Config{
		Workers: c.Workers, CallLimit: c.CallLimit,
		Clusters: map[string]hostsim.Cluster{"upstream": hostsim.URL(c.Upstream)},
		CacheDir: c.Cache, LogLevel: levelOf(c.LogLevel), Log: logTo(a.stderr),
	}
	plugin := hostsim.Plugin{Name: filepath.Base(c.Wasm), Env: map[string]string{}}
	var err error
	if plugin.Wasm, err = os.ReadFile(c.Wasm); err != nil {
		return out, fmt.Errorf("--wasm: %w", err)
	}
	if plugin.Configuration, err = pluginConfiguration(c.Config); err != nil {
		return out, fmt.Errorf("--config: %w", err)
	}
	for name, url := range c.Cluster {
		if name == "upstream" {
			return out, fmt.Errorf("%w: --cluster upstream: that name is --upstream's", errUsage)
		}
		out.Clusters[name] = hostsim.URL(url)
	}
	for _, e := range c.Env {
		name, value, given := strings.Cut(e, "=")
		if !given {
			if value, given = a.env(name); !given {
				return out, fmt.Errorf("%w: --env %s: no such variable here; give --env %s=VALUE", errUsage, name, name)
			}
		}
		plugin.Env[name] = value
	}
	out.Plugins = []hostsim.Plugin{plugin}
	out.Routes = []hostsim.Route{{Name: "default", Prefix: "/", Cluster: "upstream"}}
	if c.Routes != "" {
		if out.Routes, err = readRoutes(c.Routes, out.Clusters); err != nil {
			return out, fmt.Errorf("--routes: %w", err)
		}
	}
	return out, nil
}

// pluginConfiguration reads what the plugin gets; YAML becomes JSON.
func pluginConfiguration(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if ext := filepath.Ext(file); ext == ".yaml" || ext == ".yml" {
		if b, err = yaml.YAMLToJSON(b); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return b, nil
}

// readRoutes reads the routes, each of which has to lead to a known cluster.
func readRoutes(file string, clusters map[string]hostsim.Cluster) ([]hostsim.Route, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var routes []hostsim.Route
	if err := yaml.UnmarshalWithOptions(b, &routes, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, r := range routes {
		if _, known := clusters[r.Cluster]; !known {
			return nil, fmt.Errorf("%s: route %d (%s): cluster %q is neither upstream nor one of --cluster", file, i+1, r.Name, r.Cluster)
		}
	}
	return routes, nil
}

func levelOf(name string) hostsim.Level {
	for l := hostsim.Trace; l < hostsim.Critical; l++ {
		if l.String() == name {
			return l
		}
	}
	return hostsim.Critical
}

// logTo prints the plugin's lines.
func logTo(w io.Writer) func(hostsim.Level, string) {
	return func(l hostsim.Level, message string) { fmt.Fprintf(w, "wasm %s: %s\n", l, message) }
}
