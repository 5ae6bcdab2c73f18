package testenv

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"text/template"
)

//go:embed filter.yaml.tmpl
var filterText string

var filterBootstrap = template.Must(template.New("").Funcs(template.FuncMap{"json": func(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}}).Parse(filterText))

// FilterConfig configures an Envoy with the filter before one upstream.
type FilterConfig struct {
	Version               string
	Port, Admin, Upstream int
	// Clusters are the clusters of the plugin's callouts: the ports of their hosts, by name.
	Clusters map[string][]int
	// ClusterFields are more fields of Clusters, such as health_checks.
	ClusterFields map[string]any
	// Wasm is the module; "" means the filter.
	Wasm string
	// Config is the plugin's configuration.
	Config  map[string]any
	Workers int
	// Policy is the failure_policy; "" means FAIL_CLOSED.
	Policy string
	// MaxStream is the max_stream_duration of the route that matches everything, such as "10s".
	MaxStream string
	// AccessLog is the format of the access log, which is in Envoy.Log; "" for none.
	AccessLog string
	// AccessLogs are more of the connection manager's access_log, and After the filters between the
	// filter and the router.
	AccessLogs, After []any
	// FlushLog has Envoy write access logs at once.
	FlushLog bool
	// Routes are matched in order; without any, one matches everything.
	Routes []FilterRoute
	// UpstreamHTTP2 and ClustersHTTP2 select HTTP/2 to the upstream, and to Clusters.
	UpstreamHTTP2, ClustersHTTP2 bool
}

// FilterRoute is one route to the upstream.
type FilterRoute struct {
	Name         string
	Path, Prefix string // one of them
	// Metadata is the route's filter_metadata, by namespace.
	Metadata map[string]any
	// Redirects makes Envoy follow the upstream's redirects (internal redirects).
	Redirects bool
}

// StartFilter starts such an Envoy.
func StartFilter(ctx context.Context, c FilterConfig) (*Envoy, error) {
	if c.Wasm == "" {
		var err error
		if c.Wasm, err = Wasm(); err != nil {
			return nil, err
		}
	}
	config, err := json.Marshal(c.Config)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := filterBootstrap.Execute(&text, map[string]any{"C": c, "Config": string(config)}); err != nil {
		return nil, err
	}
	var args []string
	if c.FlushLog {
		args = []string{"--file-flush-interval-msec", "10"}
	}
	return StartEnvoy(ctx, EnvoyConfig{Version: c.Version, Bootstrap: text.String(), AdminPort: c.Admin, Workers: c.Workers, Args: args})
}
