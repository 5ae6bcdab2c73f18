package worker

import (
	"fmt"
	"strings"
	"unsafe"

	"cloakroom/filter/config"
)

// The bounds of the cached routes. Beyond them all are dropped: a control plane that changes names
// and metadata over and over must not grow the memory.
const (
	maxRoutes     = 16384
	maxRouteBytes = 16 << 20
)

// routes caches the configuration of Envoy's routes, so that metadata is decoded, and names are
// compared with patterns, once for each distinct value. Make it with newRoutes.
type routes struct {
	config *config.Config
	// byName says that the configuration is found in one map by the name, if there is no metadata.
	byName bool
	cached map[string]map[string]*config.Route // by name, by metadata; nil for one in error
	n      int
	bytes  int
	// owners are the namespaces of the first route that each key under the configuration's routes
	// held for; "" once a second one was warned of.
	owners map[string]string
}

func newRoutes(c *config.Config) *routes {
	return &routes{
		config: c, byName: !c.Patterns() && !c.Namespaced(),
		cached: map[string]map[string]*config.Route{}, owners: map[string]string{},
	}
}

// lookup returns the configuration for an Envoy route's name and the bytes of its metadata
// (the property xds.route_metadata). For metadata in error it returns nil, and, the first
// time, the error. An error beside a route is a warning. It keeps neither the name nor the
// metadata.
func (r *routes) lookup(name string, metadata []byte) (*config.Route, error) {
	if !r.config.ByMetadata() {
		metadata = nil
	}
	if len(metadata) == 0 && r.byName {
		return r.config.Named(name), nil
	}
	if route, ok := r.cached[name][string(metadata)]; ok {
		return route, nil
	}
	found, err := r.config.Resolve(name, metadata)
	if err == nil {
		err = r.shared(name, &found)
	}
	r.put(name, string(metadata), &found)
	return found.Route, err
}

func (r *routes) put(name, metadata string, found *config.Resolved) {
	size := len(name) + len(metadata)
	if found.Own {
		size += int(unsafe.Sizeof(config.Route{}))
	}
	if r.n >= maxRoutes || r.bytes+size > maxRouteBytes {
		clear(r.cached)
		r.n, r.bytes = 0, 0
	}
	if size > maxRouteBytes {
		return
	}
	if name = strings.Clone(name); r.cached[name] == nil {
		r.cached[name] = map[string]*config.Route{}
	}
	r.cached[name][metadata] = found.Route
	r.n++
	r.bytes += size
}

// shared returns an error, once for each key, if a key that is one of Envoy's names holds for routes
// of two namespaces.
func (r *routes) shared(name string, found *config.Resolved) error {
	if found.Key == "" || found.Owner == "" || r.config.Namespaced() {
		return nil
	}
	first, seen := r.owners[found.Key]
	if !seen {
		r.owners[found.Key] = found.Owner
	}
	if !seen || first == "" || first == found.Owner {
		return nil
	}
	r.owners[found.Key] = ""
	return fmt.Errorf("routes.%s holds for routes of the namespaces %q and %q, the latter's called %.200q: any route can have that name; route_names: namespaced tells them apart", found.Key, first, found.Owner, name)
}
