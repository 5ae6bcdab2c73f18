// Package sim is `cloakroom sim`: hostsim as a proxy of its own, for any plugin.
package sim

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

// Setup is what the proxy runs, as a YAML file has it. Paths are relative to the
// file's folder.
type Setup struct {
	Plugins  []Plugin // in the order in which requests pass them
	Clusters map[string]string
	Routes   []hostsim.Route // empty: everything to the cluster "upstream"
	Workers  int
	Faults   string // a file; see ReadFaults
}

// Plugin is a hostsim.Plugin by its files.
type Plugin struct {
	Wasm          string
	Name          string                // empty: the file's
	Configuration any                   // a string as it is, anything else as JSON; or
	File          string                `yaml:"configuration_file"` // the file: .yaml and .yml become JSON
	VM            any                   `yaml:"vm_configuration"`
	RootID        string                `yaml:"root_id"`
	VMID          string                `yaml:"vm_id"`
	Env           []string              // NAME=VALUE; NAME alone takes this process's value
	FailurePolicy hostsim.FailurePolicy `yaml:"failure_policy"`
	ReloadBackoff time.Duration         `yaml:"reload_backoff"`
}

// ErrUsage is a setup that says something impossible.
var ErrUsage = errors.New("the setup")

// ReadSetup reads a YAML file.
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

// paths are the files that the setup is made of.
func (s *Setup) paths() []*string {
	all := []*string{&s.Faults}
	for i := range s.Plugins {
		all = append(all, &s.Plugins[i].Wasm, &s.Plugins[i].File)
	}
	return all
}

// config reads the files. env is this process's environment.
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
		if _, known := out.Clusters[r.Cluster]; !known {
			return out, fmt.Errorf("%w: route %d (%s): there is no cluster %q", ErrUsage, i+1, r.Name, r.Cluster)
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
		name, value, given := strings.Cut(e, "=")
		if !given {
			if value, given = env(name); !given {
				return out, fmt.Errorf("%w: env %s: no such variable here; give %s=VALUE", ErrUsage, name, name)
			}
		}
		out.Env[name] = value
	}
	return out, nil
}

// configuration gives what the plugin gets.
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

// plain is a string as it is, and anything else as JSON.
func plain(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(v), nil
	}
	return yaml.MarshalWithOptions(v, yaml.JSON())
}
