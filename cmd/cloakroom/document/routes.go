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
	format := "%s: no route of Envoy has the name %q, so this never holds"
	if config.IsGlob(u.Name) {
		format = "%s: no route of Envoy has a name that %q matches, so this never holds"
	}
	text := fmt.Sprintf(format, u.Path, u.Name)
	if u.Nearest != "" {
		text += fmt.Sprintf("; is it %q?", u.Nearest)
	}
	return text
}

// names are the names of the routes of some documents in Envoy.
type names struct {
	known map[string]bool
	// resources are their names with the resource that they are made of (config.Metadata's
	// ResourceName).
	resources map[string]bool
	// owners are the namespaces of the resources, by Envoy's names.
	owners map[string]map[string]bool
	// prefixes are the prefixes of the names that Envoy Gateway derives for the rules of an
	// HTTPRoute.
	prefixes []string
	// elsewhere reports that routes may exist outside of the documents: these are manifests, or a
	// connection manager gets its routes by RDS.
	elsewhere bool
	// patched are the names by which an EnvoyFilter selects a route, by the path of the patch.
	patched map[string]string
}

func newNames() *names {
	return &names{known: map[string]bool{}, resources: map[string]bool{}, owners: map[string]map[string]bool{}, patched: map[string]string{}}
}

// add adds a route, with what is known of the resource that it is made of.
func (n *names) add(name string, of config.Metadata) {
	n.known[name] = true
	if resource := of.ResourceName(name); resource != "" {
		n.resources[resource] = true
	}
	if of.Owner != "" {
		if n.owners[name] == nil {
			n.owners[name] = map[string]bool{}
		}
		n.owners[name][of.Owner] = true
	}
}

// take collects the names of routes in an object of a document.
func (n *names) take(path string, node map[string]any) {
	kind, _ := node["kind"].(string)
	spec, _ := node["spec"].(map[string]any)
	n.elsewhere = n.elsewhere || kind != "" || node["rds"] != nil || node["vhds"] != nil || node["scoped_routes"] != nil
	switch {
	case kind == "VirtualService":
		n.virtualService(node, spec)
	case kind == "HTTPRoute" || kind == "GRPCRoute":
		n.gatewayRoute(kind, node, spec)
	case isRoute(node):
		name, _ := node["name"].(string)
		metadata, _ := node["metadata"].(map[string]any)
		fields, _ := metadata["filter_metadata"].(map[string]any)
		n.add(name, config.ReadMetadata(fields))
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

// resourceOf returns the name and the namespace of a manifest's resource.
func resourceOf(kind string, node map[string]any) config.Metadata {
	metadata, _ := node["metadata"].(map[string]any)
	m := config.Metadata{Kind: kind, Owner: "default"}
	m.Name, _ = metadata["name"].(string)
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		m.Owner = namespace
	}
	return m
}

// virtualService adds the names that Istio derives from a VirtualService: NAME, or NAME.MATCH.
func (n *names) virtualService(node, spec map[string]any) {
	resource := resourceOf("", node)
	for _, http := range objects(spec["http"]) {
		name, _ := http["name"].(string)
		n.add(name, resource)
		for _, match := range objects(http["match"]) {
			if of, _ := match["name"].(string); of != "" {
				n.add(name+"."+of, resource)
			}
		}
	}
}

// gatewayRoute adds the names that Istio and Envoy Gateway derive from a route of the Gateway API.
func (n *names) gatewayRoute(kind string, node, spec map[string]any) {
	resource := resourceOf(kind, node)
	for i, rule := range objects(spec["rules"]) {
		if resource.Section, _ = rule["name"].(string); resource.Section != "" {
			n.add(resource.Section, config.Metadata{Owner: resource.Owner}) // so Istio calls it
		}
		n.add(fmt.Sprintf("%s.%s.%d", resource.Owner, resource.Name, i), resource)
		n.prefixes = append(n.prefixes, fmt.Sprintf("%s/%s/%s/rule/%d/", strings.ToLower(kind), resource.Owner, resource.Name, i))
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

// of returns the names that a configuration's keys are compared with, and the prefixes of others.
func (n *names) of(c *config.Config) (known map[string]bool, prefixes []string) {
	if c.Namespaced() {
		return n.resources, nil
	}
	return n.known, n.prefixes
}

// matched returns the names that a key holds for, sorted.
func matched(key string, known map[string]bool) (names []string) {
	for name := range known {
		if config.Matches(key, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// UnknownRoutes returns the names of routes in a configuration that no route in the documents has.
// certain is true if the documents hold all of Envoy's routes. If they hold no routes, it returns
// none.
func (f Found) UnknownRoutes(c *config.Config) (unknown []UnknownRoute, certain bool) {
	if f.names == nil || len(f.names.known) == 0 {
		return nil, false
	}
	add := func(path, key string, known map[string]bool, prefixes []string) {
		begins := func(prefix string) bool { return config.Overlap(key, prefix+"*") }
		if len(matched(key, known)) == 0 && !slices.ContainsFunc(prefixes, begins) {
			unknown = append(unknown, UnknownRoute{Path: path, Name: key, Nearest: nearest(key, known)})
		}
	}
	known, prefixes := f.names.of(c)
	for _, key := range c.RouteNames() {
		add(join(f.Path, "routes."+key), key, known, prefixes)
	}
	for _, path := range slices.Sorted(maps.Keys(f.names.patched)) {
		if f.configures(path + ".patch.") {
			add(path+".match.routeConfiguration.vhost.route.name", f.names.patched[path], f.names.known, f.names.prefixes)
		}
	}
	return unknown, !f.names.elsewhere
}

// SharedRoute is a key under routes, one of Envoy's names of routes, that holds for routes of
// several namespaces.
type SharedRoute struct {
	Path, Key  string
	Namespaces []string
}

// String returns the warning.
func (s SharedRoute) String() string {
	return fmt.Sprintf("%s holds for routes of several namespaces (%s): any of them can have a route of such a name; route_names: namespaced tells them apart", s.Path, strings.Join(s.Namespaces, ", "))
}

// SharedRoutes returns the keys under routes that hold for routes of several namespaces.
func (f Found) SharedRoutes(c *config.Config) (shared []SharedRoute) {
	if f.names == nil || c.Namespaced() {
		return nil
	}
	for _, key := range c.RouteNames() {
		owners := map[string]bool{}
		for _, name := range matched(key, f.names.known) {
			maps.Copy(owners, f.names.owners[name])
		}
		if len(owners) > 1 {
			shared = append(shared, SharedRoute{join(f.Path, "routes."+key), key, slices.Sorted(maps.Keys(owners))})
		}
	}
	return shared
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
