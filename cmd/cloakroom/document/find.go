// Package document finds the filter's configuration in the documents that contain it: an Envoy
// bootstrap or configuration dump, a manifest of Istio's or Envoy Gateway's.
package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cloakroom/filter/config"
)

// Found is a configuration of the filter within a document.
type Found struct {
	// Path is its path in the document; "" for the document itself.
	Path string
	// Plugin is the object that holds it: Envoy's PluginConfig, or its counterpart in a manifest.
	Plugin map[string]any
	tree   any    // JSON's types
	text   string // of a configuration in a string; "" for a tree
	// routes are the configurations in the metadata of routes, by their paths.
	routes map[string]routeMetadata
	// names are the names of the routes in all documents.
	names *names
}

// routeMetadata is the metadata, or the annotation, of a route with configuration in it.
type routeMetadata struct {
	route string // its name
	read  config.Metadata
	// in is what the errors in it begin with.
	in string
}

// Find returns the configurations in a file's documents, which consist of JSON's types. If there
// is none in a single document, it returns the document itself.
func Find(documents []any) []Found {
	f := finder{routes: map[string]routeMetadata{}, names: newNames()}
	for _, document := range documents {
		f.walk("", "", document)
	}
	if len(f.all) == 0 && len(f.routes) == 0 && len(documents) == 1 && !isOthers(documents[0]) {
		return []Found{{tree: documents[0]}}
	}
	for i := range f.all {
		f.all[i].routes, f.all[i].names = f.routes, f.names
	}
	return f.all
}

type finder struct {
	all    []Found
	routes map[string]routeMetadata
	names  *names
}

func (f *finder) walk(path, route string, node any) {
	switch node := node.(type) {
	case map[string]any:
		if name, ok := node["name"].(string); ok {
			route = name
		}
		f.names.take(path, node)
		for _, key := range keysOf(node) {
			child, at := node[key], join(path, key)
			if f.take(at, route, key, child, node) {
				continue
			}
			f.walk(at, route, child)
		}
	case []any:
		for i, child := range node {
			f.walk(fmt.Sprintf("%s[%d]", path, i), route, child)
		}
	}
}

// take adds a member, if it is a configuration of the filter.
func (f *finder) take(path, route, key string, node any, parent map[string]any) bool {
	fields, isObject := node.(map[string]any)
	switch {
	case key == "filter_metadata" && isObject:
		return f.takeRoute(path, routeMetadata{route, config.ReadMetadata(fields), strings.TrimSuffix(path, "metadata.filter_metadata")})
	case key == "annotations" && isObject && strings.HasSuffix(path, "metadata.annotations"):
		resource, _ := parent["name"].(string)
		return f.takeRoute(path, routeMetadata{resource, config.Metadata{Annotation: fields[config.Annotation]}, strings.TrimSuffix(path, "metadata.annotations") + resource})
	case (key == "pluginConfig" || key == "config") && isFilters(fields):
		f.all = append(f.all, Found{Path: path, Plugin: parent, tree: node})
		return true
	case key == "configuration" && isObject:
		value := fields["value"]
		if text, isText := value.(string); isText {
			var tree any
			if err := json.Unmarshal([]byte(text), &tree); err != nil || !isFilters(tree) {
				return false
			}
			f.all = append(f.all, Found{Path: join(path, "value"), Plugin: parent, tree: tree, text: text})
			return true
		}
		if isFilters(value) {
			f.all = append(f.all, Found{Path: join(path, "value"), Plugin: parent, tree: value})
			return true
		}
	}
	return false
}

// takeRoute adds a route's metadata, if there is configuration in it.
func (f *finder) takeRoute(path string, m routeMetadata) bool {
	if m.read.Fields == nil && m.read.Annotation == nil {
		return false
	}
	f.routes[path] = m
	return true
}

// isFilters reports whether a tree is a configuration of the filter. Those of other plugins have
// no engine of its kinds.
func isFilters(tree any) bool {
	fields, _ := tree.(map[string]any)
	engine, _ := fields["engine"].(map[string]any)
	return engine["service"] != nil || engine["signed_cookies"] != nil
}

// isOthers reports whether a document is a bootstrap or a manifest.
func isOthers(document any) bool {
	fields, _ := document.(map[string]any)
	return fields["static_resources"] != nil || fields["kind"] != nil || fields["dynamic_resources"] != nil
}

// Check parses the configuration, and those of routes. Its errors begin with the path in the
// document.
func (f Found) Check(env func(string) (string, bool)) (*config.Config, error) {
	text := f.text
	if text == "" {
		b, err := json.Marshal(f.tree)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	parsed, err := config.Parse(text, env)
	if err != nil {
		return nil, at(f.Path, err)
	}
	for _, path := range keysOf(f.routes) {
		route := f.routes[path]
		if _, err := parsed.ResolveMetadata(route.route, route.read); err != nil {
			return nil, at(route.in, err)
		}
	}
	return parsed, nil
}

func at(path string, err error) error {
	if path == "" {
		return err
	}
	if strings.HasSuffix(path, ".") {
		return fmt.Errorf("%s%w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
