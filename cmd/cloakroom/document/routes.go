package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloakroom/filter/config"
)

// UnknownRoute is a name that a configuration uses for a route, but that no route in the documents
// has: Envoy never applies the configuration under it.
type UnknownRoute struct {
	// Path is the path of the name in the document.
	Path, Name string
	// Nearest is the most similar name of a route; "" if none is similar.
	Nearest string
}

// String returns the warning, with the nearest name if there is one.
func (u UnknownRoute) String() string {
	text := fmt.Sprintf("%s: no route of Envoy has the name %q, so this never holds", u.Path, u.Name)
	if u.Nearest != "" {
		text += fmt.Sprintf("; is it %q?", u.Nearest)
	}
	return text
}

// names are the names of the routes of some documents in Envoy.
type names struct {
	known map[string]bool
	// prefixes are the prefixes of the names that Envoy Gateway derives for the rules of an
	// HTTPRoute.
	prefixes []string
	// elsewhere reports that routes may exist outside of the documents: these are manifests, or a
	// connection manager gets its routes by RDS.
	elsewhere bool
	// patched are the names by which an EnvoyFilter selects a route, by the path of the patch.
	patched map[string]string
}

func newNames() *names { return &names{known: map[string]bool{}, patched: map[string]string{}} }

// take collects the names of routes in an object of a document.
func (n *names) take(path string, node map[string]any) {
	kind, _ := node["kind"].(string)
	spec, _ := node["spec"].(map[string]any)
	n.elsewhere = n.elsewhere || kind != "" || node["rds"] != nil || node["vhds"] != nil || node["scoped_routes"] != nil
	switch {
	case kind == "VirtualService":
		n.virtualService(spec)
	case kind == "HTTPRoute" || kind == "GRPCRoute":
		n.gatewayRoute(kind, node, spec)
	case isRoute(node):
		name, _ := node["name"].(string)
		n.known[name] = true
	case strings.Contains(path, "configPatches["):
		if vhost, _ := node["vhost"].(map[string]any); vhost != nil {
			route, _ := vhost["route"].(map[string]any)
			if name, _ := route["name"].(string); name != "" {
				n.patched[path[:strings.Index(path, "].match")+1]] = name
			}
		}
	}
}

// isRoute reports whether an object is a route of Envoy's.
func isRoute(node map[string]any) bool {
	if _, ok := node["match"].(map[string]any); !ok {
		return false
	}
	for _, action := range []string{"route", "redirect", "direct_response", "non_forwarding_action", "filter_action"} {
		if node[action] != nil {
			return true
		}
	}
	return false
}

// virtualService adds the names that Istio derives from a VirtualService: NAME, or NAME.MATCH.
func (n *names) virtualService(spec map[string]any) {
	for _, http := range objects(spec["http"]) {
		name, _ := http["name"].(string)
		n.known[name] = true
		for _, match := range objects(http["match"]) {
			if of, _ := match["name"].(string); of != "" {
				n.known[name+"."+of] = true
			}
		}
	}
}

// gatewayRoute adds the names that Istio and Envoy Gateway derive from a route of the Gateway API.
func (n *names) gatewayRoute(kind string, node, spec map[string]any) {
	metadata, _ := node["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	namespace, _ := metadata["namespace"].(string)
	if namespace == "" {
		namespace = "default"
	}
	for i, rule := range objects(spec["rules"]) {
		if of, _ := rule["name"].(string); of != "" {
			n.known[of] = true
		}
		n.known[fmt.Sprintf("%s.%s.%d", namespace, name, i)] = true
		n.prefixes = append(n.prefixes, fmt.Sprintf("%s/%s/%s/rule/%d/", strings.ToLower(kind), namespace, name, i))
	}
}

func objects(list any) (all []map[string]any) {
	items, _ := list.([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			all = append(all, object)
		}
	}
	return all
}

func (n *names) has(name string) bool {
	return n.known[name] || slices.ContainsFunc(n.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// UnknownRoutes returns the names of routes in a configuration that no route in the documents has.
// certain is true if the documents hold all of Envoy's routes. If they hold no routes, it returns
// none.
func (f Found) UnknownRoutes(config *config.Config) (unknown []UnknownRoute, certain bool) {
	if f.names == nil || len(f.names.known) == 0 {
		return nil, false
	}
	add := func(path, name string) {
		if !f.names.has(name) {
			unknown = append(unknown, UnknownRoute{Path: path, Name: name, Nearest: nearest(name, f.names.known)})
		}
	}
	for _, name := range config.RouteNames() {
		add(join(f.Path, "routes."+name), name)
	}
	for _, path := range slices.Sorted(maps.Keys(f.names.patched)) {
		if f.configures(path + ".patch.") {
			add(path+".match.routeConfiguration.vhost.route.name", f.names.patched[path])
		}
	}
	return unknown, !f.names.elsewhere
}

// configures reports whether metadata under a path is the filter's.
func (f Found) configures(path string) bool {
	for at := range f.routes {
		if strings.HasPrefix(at, path) {
			return true
		}
	}
	return false
}

// nearest returns the name most similar to name, or "" if a third or more of it differs.
func nearest(name string, known map[string]bool) (best string) {
	least := (len(name) + 2) / 3
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if n := distance(name, other); n <= least && other != "" {
			least, best = n-1, other
		}
	}
	return best
}

// distance returns the Levenshtein distance, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
