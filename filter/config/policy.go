package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloakroom/session/rawjson"
)

// policy is what the general configuration says of routes: by which names they are found, and what
// they may say themselves.
type policy struct {
	// metadata says that routes may carry configuration in their metadata, annotations that they
	// may in an annotation of the resource that they were made of.
	metadata, annotations bool
	// allow are the paths of what they may set: a field, or an object and all in it.
	allow []string
	// names says what the keys under routes are.
	names namesOf
}

// namesOf says whether keys are Envoy's names of routes, or those of Metadata.ResourceName.
type namesOf uint8

const (
	namesOfEnvoy namesOf = iota
	namesOfResources
)

// defaultAllow is what a route's metadata may set where the configuration does not say. It is who
// is admitted to the route itself, and how the others are turned away: nothing in it reaches a
// session's data, its cookie, the session service, or another route.
var defaultAllow = []string{"login", "mode", "on_missing", "require"}

// neverAllowed are the fields that no metadata may set, whatever is allowed: where the token is
// sent, and secrets, which are read from the VM's environment.
var neverAllowed = []string{"engine.service.authority", "engine.service.cluster", "engine.service.token", "engine.signed_cookies"}

func defaultPolicy() policy { return policy{metadata: true, allow: slices.Clone(defaultAllow)} }

// validate checks the policy.
func (p *policy) validate(routes map[string]*Route) error {
	var errs []error
	route := defaultRoute()
	paths := route.fields(nil).paths("")
	for _, entry := range p.allow {
		if !slices.Contains(paths, entry) {
			errs = append(errs, fmt.Errorf("route_metadata.allow: %q is no field of a route, nor an object of such fields", entry))
		}
		for _, never := range neverAllowed {
			if covers(entry, never) || covers(never, entry) {
				errs = append(errs, fmt.Errorf("route_metadata.allow: %s cannot be allowed, since %s is in it: a route's metadata must not say where the token is sent, nor read secrets", entry, never))
			}
		}
	}
	if p.names == namesOfResources {
		for _, key := range sortedKeys(routes) {
			if !isResourceKey(key) {
				errs = append(errs, fmt.Errorf("routes.%s: with route_names: namespaced the key must be NAMESPACE/VIRTUALSERVICE/ROUTE, or HTTPRoute/NAMESPACE/NAME/RULE, or end with *", key))
			}
		}
	}
	return errors.Join(errs...)
}

// covers reports whether a path is that of a field, or of an object that it is in.
func covers(path, field string) bool {
	return path == field || strings.HasPrefix(field, path+".")
}

// check returns an error that names the fields of a layer that may not be set by metadata.
func (p *policy) check(path string, o object, layer any) error {
	var errs []error
	for _, field := range o.refused("", layer, p.allow) {
		errs = append(errs, fmt.Errorf("%s: a route's metadata may not set it: route_metadata.allow in the plugin's configuration has %s", join(path, field), strings.Join(p.allow, ", ")))
	}
	return errors.Join(errs...)
}

// refused returns the paths of the fields of a tree that nothing in allow covers. Fields that are
// unknown are left to read.
func (o object) refused(path string, tree any, allow []string) (refused []string) {
	members, _ := tree.(map[string]any)
	for _, name := range sortedKeys(members) {
		i := slices.IndexFunc(o, func(f field) bool { return f.name == name })
		at := join(path, name)
		if i < 0 || slices.ContainsFunc(allow, func(entry string) bool { return covers(entry, at) }) {
			continue
		}
		inner, isObject := o[i].spec.(object)
		if _, ok := members[name].(map[string]any); isObject && ok {
			refused = append(refused, inner.refused(at, members[name], allow)...)
		} else {
			refused = append(refused, at)
		}
	}
	return refused
}

// paths returns the paths of all fields, and of the objects that they are in.
func (o object) paths(path string) (paths []string) {
	for _, f := range o {
		at := join(path, f.name)
		paths = append(paths, at)
		if inner, ok := f.spec.(object); ok {
			paths = append(paths, inner.paths(at)...)
		}
	}
	return paths
}

// routeMetadata is the spec of true, false, or what routes may set.
type routeMetadata struct{ policy *policy }

func (r routeMetadata) fields() object {
	return object{
		{"allow", texts(&r.policy.allow), "what a route's metadata may set: paths of fields, or of objects of fields; a route whose metadata sets another is refused with `500`. Of `engine` only `engine.service.timeout` and `engine.service.cache` can be allowed"},
		{"annotations", boolean(&r.policy.annotations), "whether a route may set the same in the annotation `" + Annotation + "`, JSON, of its HTTPRoute in Envoy Gateway; else one with the annotation is refused with `500`"},
	}
}

func (r routeMetadata) read(path string, value any) error {
	if _, isObject := value.(map[string]any); isObject {
		r.policy.metadata = true
		return r.fields().read(path, value)
	}
	on, isBoolean := value.(bool)
	if !isBoolean {
		return wrong(path, "true, false or an object", value)
	}
	r.policy.metadata = on
	return nil
}

func (r routeMetadata) schema() map[string]any {
	s := r.fields().schema()
	s["type"], s["default"] = []string{"boolean", "object"}, r.policy.metadata
	return s
}

// layer is configuration that a route carries.
type layer struct {
	path   string
	fields any
}

// layers returns the configuration that a route carries, that with the last word last.
func (p *policy) layers(m *Metadata) (layers []layer, err error) {
	if m.Annotation != nil {
		text, isText := m.Annotation.(string)
		if !p.annotations {
			return nil, fmt.Errorf("annotation %s: it is not accepted: set route_metadata.annotations in the plugin's configuration", Annotation)
		}
		tree, err := rawjson.Decode(text)
		if err != nil || !isText {
			return nil, fmt.Errorf(`annotation %s: must be a JSON object, such as {"mode": "optional"}`, Annotation)
		}
		layers = append(layers, layer{"annotation " + Annotation, tree})
	}
	if m.Fields != nil {
		layers = append(layers, layer{"metadata.filter_metadata." + Namespace, m.Fields})
	}
	return layers, nil
}
