package config

import (
	"fmt"
	"strings"
)

// Named returns the configuration that the keys under routes have for a name: that of the key that
// is the name, else that of the most specific pattern (see glob.before), else the general one.
func (c *Config) Named(name string) *Route {
	_, route := c.named(name)
	return route
}

func (c *Config) named(name string) (key string, route *Route) {
	if route, ok := c.routes[name]; ok {
		return name, route
	}
	for _, g := range c.globs {
		if Matches(g.key, name) {
			return g.key, g.route
		}
	}
	return "", &c.base
}

// RouteNames returns the keys under routes, sorted.
func (c *Config) RouteNames() []string { return sortedKeys(c.routes) }

// Namespaced reports whether the keys under routes are names of Metadata.ResourceName, and not
// Envoy's names of routes.
func (c *Config) Namespaced() bool { return c.policy.names == namesOfResources }

// ByName reports whether routes are configured by their names.
func (c *Config) ByName() bool { return len(c.routes) > 0 }

// ByMetadata reports whether a route's configuration depends on its metadata.
func (c *Config) ByMetadata() bool { return c.policy.metadata || c.Namespaced() && c.ByName() }

// Patterns reports whether Named compares names with patterns.
func (c *Config) Patterns() bool { return len(c.globs) > 0 }

// Resolved is the configuration of a route of Envoy's.
type Resolved struct {
	Route *Route
	// Own reports that the route's metadata has configuration in it: Route is for this route alone.
	Own bool
	// Key is the key under routes that holds for the route; "" for none.
	Key string
	// Owner is the namespace of the resource that the route was made of; "" if that is not known.
	Owner string
}

// Resolve returns the configuration for an Envoy route's name and the bytes of its metadata, an
// envoy.config.core.v3.Metadata message. The error names the route and the field.
func (c *Config) Resolve(name string, metadata []byte) (Resolved, error) {
	m, err := parseMetadata(metadata)
	if err == nil {
		var r Resolved
		if r, err = c.ResolveMetadata(name, m); err == nil {
			return r, nil
		}
	}
	return Resolved{}, resolveError(name, err)
}

// ResolveMetadata is Resolve for metadata that was read already. The error names the field.
func (c *Config) ResolveMetadata(name string, m Metadata) (Resolved, error) {
	r := Resolved{Owner: m.Owner}
	r.Key, r.Route = c.find(name, &m)
	if !c.policy.metadata {
		return r, nil
	}
	layers, err := c.policy.layers(&m)
	if err == nil && len(layers) > 0 {
		r.Own = true
		r.Route, err = c.withLayers(r.Route, name, layers)
	}
	if err != nil {
		return Resolved{}, err
	}
	return r, nil
}

// find returns the configuration of the key under routes that holds for a route. Where keys are
// names of resources, none holds for a route of which the resource is not known for sure.
func (c *Config) find(name string, m *Metadata) (key string, route *Route) {
	if c.Namespaced() {
		if name = m.ResourceName(name); name == "" {
			return "", &c.base
		}
	}
	return c.named(name)
}

// withLayers returns a route with configuration of its own laid over it.
func (c *Config) withLayers(under *Route, name string, layers []layer) (*Route, error) {
	route := *under
	route.Name = strings.Clone(name)
	noSecrets := func(string) (string, bool) { return "", false }
	var path string
	for _, l := range layers {
		path = l.path
		fields := route.fields(noSecrets)
		if err := c.policy.check(path, fields, l.fields); err != nil {
			return nil, err
		}
		if err := fields.read(path, l.fields); err != nil {
			return nil, err
		}
	}
	if err := route.validate(path); err != nil {
		return nil, err
	}
	if err := c.attributesOfMetadata(&route, path); err != nil {
		return nil, err
	}
	if err := c.tokenFits(&route); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range route.Identity.HeaderNames() {
		if !c.strip.Has(name) {
			return nil, fmt.Errorf("%s: identity: %q is not removed from clients' requests on the other routes; name it under strip_headers in the plugin's configuration", path, name)
		}
	}
	return &route, nil
}

// maxError bounds the text of an error in a route's metadata, of which the names of fields are not
// the operator's.
const maxError = 1000

// resolveError is an error in the configuration of a route of Envoy's, in one line of printable
// text.
func resolveError(name string, err error) error {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "?"), "\n", "; "))
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return fmt.Errorf("route %.200q: %s", name, text)
}
