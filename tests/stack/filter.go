package stack

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

// FilterConfig says how to run an Envoy with the filter before one upstream.
type FilterConfig struct {
	Version               string
	Port, Admin, Upstream int
	// Services are the ports of the session service's replicas, which make up
	// the cluster "sessions".
	Services []int
	// Config is the filter's.
	Config  map[string]any
	Workers int
}

// StartFilter starts such an Envoy.
func StartFilter(ctx context.Context, c FilterConfig) (*Envoy, error) {
	wasm, err := Wasm()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(c.Config)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := filterBootstrap.Execute(&text, map[string]any{"C": c, "Wasm": wasm, "Config": string(config)}); err != nil {
		return nil, err
	}
	return StartEnvoy(ctx, EnvoyConfig{Version: c.Version, Bootstrap: text.String(), AdminPort: c.Admin, Workers: c.Workers})
}
