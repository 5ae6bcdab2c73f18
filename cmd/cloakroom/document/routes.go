package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloakroom/filter/config"
)

// UnknownRoute is a name that a configuration uses for a route, and that no route in the documents
// has: Envoy then never chooses what is configured under it.
type UnknownRoute struct {
	// Path is where the name is in the document.
	Path, Name string
	// Nearest is the name of a route that is written much the same; empty: none is.
	Nearest string
}

func (u UnknownRoute) String() string {
	text := fmt.Sprintf("%s: no route of Envoy has the name %q, so this never holds", u.Path, u.Name)
	if u.Nearest != "" {
		text += fmt.Sprintf("; is it %q?", u.Nearest)
	}
	return text
}

// names are the names that the routes of some documents have in Envoy.
type names struct {
	known map[string]bool
	// prefixes begin the names that Envoy Gateway makes of the rules of an HTTPRoute.
	prefixes []string
	// elsewhere says that there may be routes that the documents do not hold: they are manifests,
	// or a connection manager takes its routes by RDS.
	elsewhere bool
	// patched are the names by which an EnvoyFilter picks a route, by the path of the patch.
	patched map[string]string
}

func newNames() *names { return &names{known: map[string]bool{}, patched: map[string]string{}} }

// take collects what an object in a document says of routes.
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

// virtualService adds the names that Istio makes of a VirtualService: NAME, or NAME.MATCH.
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

// gatewayRoute adds the names that Istio and Envoy Gateway make of a route of the Gateway API.
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
// It is certain of them where the documents hold all of Envoy's routes. Without any route in the
// documents there are none.
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

// nearest returns the name that is written most like another; empty where a third of it or more
// is different.
func nearest(name string, known map[string]bool) (best string) {
	least := (len(name) + 2) / 3
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if n := distance(name, other); n <= least && other != "" {
			least, best = n-1, other
		}
	}
	return best
}

// distance is Levenshtein's, in bytes.
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
