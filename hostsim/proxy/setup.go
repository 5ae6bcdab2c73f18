// Package proxy runs a hostsim.Host as a reverse proxy of its own, for any plugin. It is what
// the commands hostsim and `cloakroom sim` do.
package proxy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"cloakroom/hostsim"
)

// Setup is what a proxy runs, as a YAML file contains it. Paths are relative to the folder of
// that file.
type Setup struct {
	Plugins  []Plugin          // in the order in which requests pass them
	Clusters map[string]string // URLs by name
	Routes   []hostsim.Route   // empty routes all requests to the cluster "upstream"
	Workers  int               // as in hostsim.Config
	Faults   string            // a file; see ReadFaults
}

// Plugin is a hostsim.Plugin whose contents are in files.
type Plugin struct {
	Wasm          string
	Name          string                // empty is the name of the file Wasm
	Configuration any                   // a string is passed unchanged, anything else as JSON
	File          string                `yaml:"configuration_file"` // in place of Configuration; .yaml and .yml are passed as JSON
	VM            any                   `yaml:"vm_configuration"`
	RootID        string                `yaml:"root_id"`
	VMID          string                `yaml:"vm_id"`
	Env           []string              // NAME=VALUE, or NAME for the value of this process
	FailurePolicy hostsim.FailurePolicy `yaml:"failure_policy"`
	ReloadBackoff time.Duration         `yaml:"reload_backoff"`
}

// ErrSetup reports a setup, or flags, that the caller must change.
var ErrSetup = errors.New("invalid setup")

// ReadSetup reads a setup from a YAML file. Unknown fields are errors.
func ReadSetup(file string) (Setup, error) {
	var s Setup
	if err := readYAML(file, &s); err != nil {
		return s, err
	}
	for _, path := range s.paths() {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(file), *path)
		}
	}
	return s, nil
}

// ReadRoutes reads a YAML list of routes.
func ReadRoutes(file string) (routes []hostsim.Route, err error) {
	return routes, readYAML(file, &routes)
}

// ReadFaults reads {seed, faults: [{on, do, …}]}; see hostsim.Fault.
func ReadFaults(file string) (faults hostsim.Faults, err error) {
	return faults, readYAML(file, &faults)
}

func readYAML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalWithOptions(text, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// paths returns the files that the setup names; an empty path is none.
func (s *Setup) paths() []*string {
	all := []*string{&s.Faults}
	for i := range s.Plugins {
		all = append(all, &s.Plugins[i].Wasm, &s.Plugins[i].File)
	}
	return all
}

// config reads the files and returns the configuration of a host. env looks up a variable of
// this process's environment.
func (s *Setup) config(env func(string) (string, bool)) (hostsim.Config, error) {
	out := hostsim.Config{Workers: s.Workers, Routes: s.Routes, Clusters: map[string]hostsim.Cluster{}}
	for _, p := range s.Plugins {
		plugin, err := p.read(env)
		if err != nil {
			return out, err
		}
		out.Plugins = append(out.Plugins, plugin)
	}
	for name, url := range s.Clusters {
		out.Clusters[name] = hostsim.URL(url)
	}
	if s.Routes == nil {
		out.Routes = []hostsim.Route{{Name: "default", Prefix: "/", Cluster: "upstream"}}
	}
	for i, r := range out.Routes {
		if _, found := out.Clusters[r.Cluster]; !found {
			return out, fmt.Errorf("%w: route %d (%s): there is no cluster %q", ErrSetup, i+1, r.Name, r.Cluster)
		}
	}
	if s.Faults == "" {
		return out, nil
	}
	var err error
	if out.Faults, err = ReadFaults(s.Faults); err != nil {
		return out, fmt.Errorf("faults: %w", err)
	}
	return out, nil
}

// read reads the files of a plugin.
func (p Plugin) read(env func(string) (string, bool)) (hostsim.Plugin, error) {
	out := hostsim.Plugin{
		Name: p.Name, RootID: p.RootID, VMID: p.VMID, Env: map[string]string{},
		FailurePolicy: p.FailurePolicy, ReloadBackoff: p.ReloadBackoff,
	}
	if out.Name == "" {
		out.Name = filepath.Base(p.Wasm)
	}
	var err error
	if out.Wasm, err = os.ReadFile(p.Wasm); err != nil {
		return out, fmt.Errorf("the plugin: %w", err)
	}
	if out.VMConfiguration, err = plain(p.VM); err != nil {
		return out, fmt.Errorf("vm_configuration: %w", err)
	}
	if out.Configuration, err = p.configuration(); err != nil {
		return out, fmt.Errorf("the plugin's configuration: %w", err)
	}
	for _, e := range p.Env {
		name, value, found := strings.Cut(e, "=")
		if !found {
			if value, found = env(name); !found {
				return out, fmt.Errorf("%w: env %s: the variable is not set; give %s=VALUE", ErrSetup, name, name)
			}
		}
		out.Env[name] = value
	}
	return out, nil
}

// configuration returns the configuration that the plugin gets.
func (p Plugin) configuration() ([]byte, error) {
	if p.File == "" {
		return plain(p.Configuration)
	}
	text, err := os.ReadFile(p.File)
	if err != nil {
		return nil, err
	}
	if ext := filepath.Ext(p.File); ext == ".yaml" || ext == ".yml" {
		if text, err = yaml.YAMLToJSON(text); err != nil {
			return nil, fmt.Errorf("%s: %w", p.File, err)
		}
	}
	return text, nil
}

// plain returns a string unchanged, and anything else as JSON.
func plain(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(v), nil
	}
	return yaml.MarshalWithOptions(v, yaml.JSON())
}
