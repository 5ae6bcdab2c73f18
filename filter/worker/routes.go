package worker

import (
	"strings"

	"cloakroom/filter/config"
)

// maxRoutes bounds the cached routes: a control plane that changes the metadata over and over
// must not grow the memory.
const maxRoutes = 4096

// routes caches the configuration of Envoy's routes, so that metadata is decoded once for each
// distinct value. Make it with newRoutes.
type routes struct {
	config *config.Config
	cached map[string]map[string]*config.Route // by name, by metadata; nil for one in error
	size   int
}

func newRoutes(c *config.Config) *routes {
	return &routes{config: c, cached: map[string]map[string]*config.Route{}}
}

// lookup returns the configuration for an Envoy route's name and the bytes of its metadata
// (the property xds.route_metadata). For metadata in error it returns nil, and, the first
// time, the error. It keeps neither the name nor the metadata.
func (r *routes) lookup(name string, metadata []byte) (*config.Route, error) {
	if len(metadata) == 0 || !r.config.ByMetadata() {
		return r.config.Named(name), nil
	}
	if route, ok := r.cached[name][string(metadata)]; ok {
		return route, nil
	}
	route, err := r.config.Resolve(name, metadata)
	r.put(name, string(metadata), route)
	return route, err
}

func (r *routes) put(name, metadata string, route *config.Route) {
	if r.size >= maxRoutes {
		clear(r.cached)
		r.size = 0
	}
	if name = strings.Clone(name); r.cached[name] == nil {
		r.cached[name] = map[string]*config.Route{}
	}
	r.cached[name][metadata] = route
	r.size++
}
