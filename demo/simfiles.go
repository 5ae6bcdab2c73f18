package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// bootstrap is the part of envoy/bootstrap.yaml that hostsim needs.
type bootstrap struct {
	StaticResources struct {
		Listeners []struct {
			FilterChains []struct {
				Filters []struct {
					TypedConfig connectionManager `yaml:"typed_config"`
				} `yaml:"filters"`
			} `yaml:"filter_chains"`
		} `yaml:"listeners"`
	} `yaml:"static_resources"`
}

type connectionManager struct {
	RouteConfig struct {
		VirtualHosts []struct {
			Routes []route `yaml:"routes"`
		} `yaml:"virtual_hosts"`
	} `yaml:"route_config"`
	HTTPFilters []struct {
		Name        string `yaml:"name"`
		TypedConfig struct {
			Config struct {
				Configuration struct {
					Value map[string]any `yaml:"value"`
				} `yaml:"configuration"`
			} `yaml:"config"`
		} `yaml:"typed_config"`
	} `yaml:"http_filters"`
}

type route struct {
	Name  string `yaml:"name"`
	Match struct {
		Path   string `yaml:"path"`
		Prefix string `yaml:"prefix"`
	} `yaml:"match"`
	Route struct {
		Cluster string `yaml:"cluster"`
	} `yaml:"route"`
	Metadata struct {
		FilterMetadata map[string]map[string]any `yaml:"filter_metadata"`
	} `yaml:"metadata"`
}

// simRoute is a route as `cloakroom sim --routes` reads it.
type simRoute struct {
	Name     string                    `yaml:"name"`
	Path     string                    `yaml:"path,omitempty"`
	Prefix   string                    `yaml:"prefix,omitempty"`
	Cluster  string                    `yaml:"cluster"`
	Metadata map[string]map[string]any `yaml:"metadata,omitempty"`
}

// simFiles writes the configuration and the routes of envoy/bootstrap.yaml in the form of
// `cloakroom sim`. It omits routes to which Envoy responds itself.
func simFiles(root, dir string) (config, routes string, err error) {
	text, err := os.ReadFile(filepath.Join(root, "envoy", "bootstrap.yaml"))
	if err != nil {
		return "", "", err
	}
	var b bootstrap
	if err := yaml.Unmarshal(text, &b); err != nil {
		return "", "", err
	}
	if len(b.StaticResources.Listeners) == 0 {
		return "", "", errors.New("envoy/bootstrap.yaml has no listener")
	}
	manager := b.StaticResources.Listeners[0].FilterChains[0].Filters[0].TypedConfig
	var list []simRoute
	for _, r := range manager.RouteConfig.VirtualHosts[0].Routes {
		if r.Route.Cluster != "" {
			list = append(list, simRoute{r.Name, r.Match.Path, r.Match.Prefix, r.Route.Cluster, r.Metadata.FilterMetadata})
		}
	}
	config, routes = filepath.Join(dir, "sim-config.yaml"), filepath.Join(dir, "sim-routes.yaml")
	return config, routes, errors.Join(
		writeYAML(config, manager.HTTPFilters[0].TypedConfig.Config.Configuration.Value),
		writeYAML(routes, list),
	)
}

func writeYAML(path string, value any) error {
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
