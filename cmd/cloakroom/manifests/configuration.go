package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"cloakroom/filter/config"
)

// semicolons is the name of the route that answers paths with a semicolon.
const semicolons = "semicolons"

// withSemicolon matches the paths with a semicolon.
const withSemicolon = ".*(;|%3[Bb]).*"

// text is the filter's configuration in two forms, and the variables in it.
type text struct {
	yaml, json string
	env        []string
}

// variable is a variable of the VM's environment in a secret.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// naming is how routes are called under routes.
type naming struct {
	// kind is the value of route_names; "" leaves it as the description has it.
	kind string
	// of returns the keys of a route.
	of func(*Route) []string
}

// Values of route_names.
const (
	plain      = "envoy"
	namespaced = "namespaced"
)

// routeNames returns the description's route_names; "" if it has none.
func (d *Description) routeNames() string {
	kind, _ := child(d.Filter.Configuration, "route_names").(string)
	return kind
}

// configuration returns the filter's configuration: the description's, with the session service,
// and with that of each route under the names that the proxy has for it.
func (d *Description) configuration(cluster string, names naming) (*text, error) {
	all := append(yaml.MapSlice{}, d.Filter.Configuration...)
	if d.stored() {
		service := yaml.MapSlice{{Key: "cluster", Value: cluster}}
		if discovery(d.serviceHost()) != "STATIC" {
			service = append(service, yaml.MapItem{Key: "authority", Value: d.serviceHost()})
		}
		service = append(service, yaml.MapItem{Key: "token", Value: "${CLOAKROOM_TOKEN}"})
		engine, err := d.object("filter.configuration.engine", child(all, "engine"))
		if err != nil {
			return nil, err
		}
		given, err := d.object("filter.configuration.engine.service", child(engine, "service"))
		if err != nil {
			return nil, err
		}
		for _, item := range given {
			if child(service, fmt.Sprint(item.Key)) != nil {
				return nil, d.wrong(fmt.Sprintf("filter.configuration.engine.service.%v", item.Key), "it comes from service above; leave it out")
			}
		}
		all = with(all, "engine", with(engine, "service", append(service, given...)))
	}
	var routes yaml.MapSlice
	if !d.Semicolons {
		routes = d.named(routes, &Route{Name: semicolons, Configuration: yaml.MapSlice{{Key: "mode", Value: "off"}}}, names.of)
	}
	for _, r := range d.Routes {
		routes = d.named(routes, r, names.of)
	}
	if names.kind != "" {
		all = with(all, "route_names", names.kind)
	}
	if len(routes) > 0 {
		all = append(all, yaml.MapItem{Key: "routes", Value: routes})
	}
	var t text
	var err error
	if t.yaml, err = block(all); err != nil {
		return nil, err
	}
	asJSON, err := yaml.MarshalWithOptions(all, yaml.JSON())
	t.json = string(asJSON)
	for _, found := range variable.FindAllStringSubmatch(t.json, -1) {
		t.env = append(t.env, found[1])
	}
	slices.Sort(t.env)
	t.env = slices.Compact(t.env)
	return &t, err
}

// named adds a route's configuration, if it has one, by each of its names.
func (d *Description) named(routes yaml.MapSlice, r *Route, names func(*Route) []string) yaml.MapSlice {
	if len(r.Configuration) > 0 {
		for _, name := range names(r) {
			routes = append(routes, yaml.MapItem{Key: name, Value: r.Configuration})
		}
	}
	return routes
}

// stored reports whether sessions are looked up in the session service.
func (d *Description) stored() bool {
	engine, _ := child(d.Filter.Configuration, "engine").(yaml.MapSlice)
	return child(engine, "signed_cookies") == nil || child(engine, "service") != nil
}

// serviceHost returns the host of the session service.
func (d *Description) serviceHost() string {
	if d.Service.Address != "" {
		return d.Service.Address
	}
	return d.Service.Name + "." + d.Service.Namespace + ".svc.cluster.local"
}

// object returns a value that has to be an object, or nothing.
func (d *Description) object(path string, value any) (yaml.MapSlice, error) {
	m, ok := value.(yaml.MapSlice)
	if value != nil && !ok {
		return nil, d.wrong(path, "it is no object")
	}
	return m, nil
}

func child(m yaml.MapSlice, key string) any {
	for _, item := range m {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

// with returns m with a value in the place of that under key, or at its end.
func with(m yaml.MapSlice, key string, value any) yaml.MapSlice {
	m = append(yaml.MapSlice{}, m...)
	for i := range m {
		if m[i].Key == key {
			m[i].Value = value
			return m
		}
	}
	return append(m, yaml.MapItem{Key: key, Value: value})
}

// istioNames returns how the routes of the VirtualService are called. Routes of other namespaces must
// not have a route's configuration by its name. Where the general configuration requires no session,
// routes can be stricter than it, and their names must hold whatever the VirtualService is called.
func (d *Description) istioNames(parsed *config.Config) naming {
	prefix, names := "", naming{}
	switch d.routeNames() {
	case namespaced:
		prefix = d.Gateway.Namespace + "/" + d.Gateway.Name + "/"
	case "":
		if parsed.Named("").Mode == config.Required {
			prefix, names.kind = d.Gateway.Namespace+"/"+d.Gateway.Name+"/", namespaced
		}
	}
	names.of = func(r *Route) []string {
		if r.Metadata {
			return nil
		}
		return []string{prefix + r.Name}
	}
	return names
}

// gatewayNames returns how the only rules of the HTTPRoutes are called. They have the routes' names.
func (d *Description) gatewayNames() naming {
	if d.routeNames() == plain {
		return naming{of: d.positions}
	}
	return naming{namespaced, func(r *Route) []string {
		return []string{fmt.Sprintf("HTTPRoute/%s/%s/%s", d.Gateway.Namespace, r.Name, r.Name)}
	}}
}

// positions returns the names that Envoy Gateway has for the only rule and match of a route's
// HTTPRoute, one for each host.
func (d *Description) positions(r *Route) (names []string) {
	for _, host := range d.Hosts {
		names = append(names, fmt.Sprintf("httproute/%s/%s/rule/0/match/0/%s", d.Gateway.Namespace, r.Name, strings.ReplaceAll(host, ".", "_")))
	}
	return names
}

// expressions returns the paths that have to be expressions for Envoy Gateway, by the names of their
// routes, so that its order is the description's: it tries exact paths first, then expressions, the
// longest first, then prefixes. Each is longer than those after it; (?:) matches the empty text.
func (d *Description) expressions() map[string]string {
	all := map[string]string{}
	longest := 0
	add := func(name, expression string) {
		for len(expression) <= longest {
			expression += "(?:)"
		}
		all[name], longest = expression, len(expression)
	}
	for i := len(d.Routes) - 1; i >= 0; i-- {
		switch r := d.Routes[i]; {
		case r.Regex != "":
			add(r.Name, r.Regex)
		case r.Prefix != "" && (longest > 0 || !strings.HasSuffix(r.Prefix, "/")): // PathPrefix matches whole elements of the path alone
			add(r.Name, regexp.QuoteMeta(r.Prefix)+".*")
		case r.Path != "" && slices.ContainsFunc(d.Routes[:i], func(before *Route) bool { return before.Regex != "" }):
			add(r.Name, regexp.QuoteMeta(r.Path))
		}
	}
	add(semicolons, withSemicolon)
	return all
}
