package filter

import (
	"fmt"
	"strings"
)

// maxRoutes bounds the remembered routes; a configuration that changes its
// metadata over and over must not grow the memory.
const maxRoutes = 4096

// Routes resolves the configuration of routes and remembers it, so that
// metadata is decoded once for each distinct value. Make it with NewRoutes.
type Routes struct {
	config *Config
	known  map[string]map[string]*Route // by name, by metadata; nil for one in error
	size   int
}

// NewRoutes resolves routes of c.
func NewRoutes(c *Config) *Routes {
	return &Routes{config: c, known: map[string]map[string]*Route{}}
}

// ByName reports whether routes are configured by their names.
func (r *Routes) ByName() bool { return len(r.config.routes) > 0 }

// ByMetadata reports whether routes are configured by their metadata.
func (r *Routes) ByMetadata() bool { return r.config.metadata }

// Lookup gives the configuration for an Envoy route's name and the bytes of
// its metadata (property xds.route_metadata). For metadata in error it gives
// nil, which Stream.Request refuses, and, the first time, the error. Neither the
// name nor the metadata is kept.
func (r *Routes) Lookup(name string, metadata []byte) (*Route, error) {
	if len(metadata) == 0 || !r.ByMetadata() {
		return r.config.Named(name), nil
	}
	if route, ok := r.known[name][string(metadata)]; ok {
		return route, nil
	}
	route, err := r.resolve(name, metadata)
	if err != nil {
		err = fmt.Errorf("route %q: %w", name, err)
	}
	r.remember(name, string(metadata), route)
	return route, err
}

func (r *Routes) resolve(name string, metadata []byte) (*Route, error) {
	fields, err := parseMetadata(metadata)
	switch {
	case err != nil:
		return nil, err
	case fields == nil:
		return r.config.Named(name), nil
	}
	return r.config.withMetadata(name, fields)
}

func (r *Routes) remember(name, metadata string, route *Route) {
	if r.size >= maxRoutes {
		clear(r.known)
		r.size = 0
	}
	if name = strings.Clone(name); r.known[name] == nil {
		r.known[name] = map[string]*Route{}
	}
	r.known[name][metadata] = route
	r.size++
}
