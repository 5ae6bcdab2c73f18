package manifests

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/template"

	"cloakroom/filter/config"
)

//go:embed template/*.yaml
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"value":   inFlow,
	"json":    inJSON,
	"list":    list,
	"labels":  labels,
	"indent":  indent,
	"flow":    flow,
	"istio":   func(r *Route) (string, error) { return match(r, "exact") },
	"envoy":   envoyMatch,
	"backend": parseBackend,
	"key":     secretKey,
}).ParseFS(files, "template/*.yaml"))

// site is what the templates print.
type site struct {
	*Description
	// Image is the filter's reference by its digest.
	Image string
	// ServiceImage is the session service's.
	ServiceImage string
	// SessionHost is the host of the session service; empty if there is none.
	SessionHost string
	// Configuration is the filter's.
	Configuration string
	// Namespaced reports that names of routes in it have the namespace.
	Namespaced bool
	// HostEnv are the variables of the proxy's environment that the filter reads.
	HostEnv []string
	// Strip are the headers that no client may send.
	Strip []string
	// Expressions are the paths that are expressions in Envoy Gateway.
	Expressions map[string]string
	// UserHeader is the header by which Envoy Gateway sees that the filter has admitted a user, Open the
	// routes that need none.
	UserHeader string
	Open       []string
	// Backends are the services that requests go to, by the texts of the description.
	Backends []*named
	// Grants are the namespaces of Services that routes of the Gateway's namespace may refer to.
	Grants []string
}

// named is a backend with a name, for a cluster of Envoy and a resource.
type named struct {
	backend
	Cluster, Discovery string
}

// Istio returns the manifests for a gateway of Istio.
func (d *Description) Istio() (string, error) {
	if d.Service.Address != "" && discovery(d.Service.Address) == "STATIC" {
		return "", d.wrong("service.address", "Istio's registry has names alone; write the host's name")
	}
	for i, r := range d.Routes {
		if b, err := parseBackend(r.To); err == nil && discovery(b.Host) == "STATIC" {
			return "", d.wrong(at("routes", i)+".to", "Istio's registry has names alone; write the host's name")
		}
	}
	return d.render("istio.yaml", fmt.Sprintf("outbound|%d||%s", d.Service.Port, d.serviceHost()), true, d.istioNames)
}

// EnvoyGateway returns the manifests for Envoy Gateway.
func (d *Description) EnvoyGateway() (string, error) {
	for i, host := range d.Hosts {
		switch {
		case host == "*":
			return "", d.wrong(at("hosts", i), "the listeners of a Gateway have hosts of their own; name each host")
		case strings.HasPrefix(host, "*") && d.routeNames() == plain:
			return "", d.wrong(at("hosts", i), "the names of Envoy Gateway's routes are made of hosts without a wildcard; name each host, or leave route_names out")
		}
	}
	return d.render("gateway.yaml", "sessions", true, func(*config.Config) naming { return d.gatewayNames() })
}

// Envoy returns the bootstrap of an Envoy without a control plane.
func (d *Description) Envoy() (string, error) {
	if d.routeNames() == namespaced {
		return "", d.wrong("filter.configuration.route_names", "the routes of an Envoy without a control plane have no namespace; leave it out")
	}
	return d.render("bootstrap.yaml", "sessions", false, func(*config.Config) naming {
		return naming{of: func(r *Route) []string {
			if r.Metadata || r.Name == semicolons {
				return nil
			}
			return []string{r.Name}
		}}
	})
}

// Kubernetes returns the manifests of the session service.
func (d *Description) Kubernetes() (string, error) {
	switch {
	case !d.stored():
		return "", d.wrong("filter.configuration.engine", "sessions that are in signed cookies need no session service")
	case d.Service.Address != "":
		return "", d.wrong("service.address", "the service is not in Kubernetes: leave the address out, or this command")
	}
	image, err := d.image("service", d.Service.Image, d.Service.SHA256)
	if err != nil {
		return "", err
	}
	return execute("service.yaml", &site{Description: d, ServiceImage: image, SessionHost: d.serviceHost()})
}

// render executes a template with all that a proxy needs.
func (d *Description) render(name, cluster string, pinned bool, names func(*config.Config) naming) (string, error) {
	parsed, err := d.parsed(cluster)
	if err != nil {
		return "", err
	}
	of := names(parsed)
	configuration, err := d.configuration(cluster, of)
	if err != nil {
		return "", err
	}
	s := &site{Description: d, Configuration: configuration.yaml, HostEnv: configuration.env, Strip: parsed.Strip().Names(), Expressions: d.expressions(), Namespaced: of.kind == namespaced || d.routeNames() == namespaced}
	if d.stored() {
		s.SessionHost = d.serviceHost()
	}
	if name == "gateway.yaml" {
		if err := s.guard(parsed); err != nil {
			return "", err
		}
	}
	if pinned {
		if s.Image, err = d.image("filter", d.Filter.Image, d.Filter.SHA256); err != nil {
			return "", err
		}
	}
	s.addBackends()
	return execute(name, s)
}

// guard selects the header of the user's id, and the routes that need no user.
func (s *site) guard(parsed *config.Config) error {
	for i, r := range s.Routes {
		route := parsed.Named(r.Name)
		if route.Mode != config.Required || route.OnUnavailable == config.UnavailableAllow || route.Identity.UserKey == "" {
			s.Open = append(s.Open, r.Name)
			continue
		}
		at := slices.IndexFunc(route.Identity.Headers, func(h config.IdentityHeader) bool { return h.Key == route.Identity.UserKey })
		if at < 0 || s.UserHeader != "" && s.UserHeader != route.Identity.Headers[at].Name {
			return s.wrong(fmt.Sprintf("routes[%d]", i), "its identity.headers need the same header of %s as the other routes, such as x-user-id: by it Envoy Gateway refuses requests that the filter has not seen", route.Identity.UserKey)
		}
		s.UserHeader = route.Identity.Headers[at].Name
	}
	return nil
}

// secretKey returns the key of a Secret for a variable: token for CLOAKROOM_TOKEN.
func secretKey(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "CLOAKROOM_")), "_", "-")
}

// Last returns the last route with a service.
func (s *site) Last() (last *Route) {
	for _, r := range s.Routes {
		if r.To != "" {
			last = r
		}
	}
	return last
}

// addBackends collects the services that requests go to, each once.
func (s *site) addBackends() {
	grants := map[string]bool{}
	for _, r := range slices.Backward(s.Routes) { // the last is the most general, and names the cluster
		b, err := parseBackend(r.To)
		if err != nil || slices.ContainsFunc(s.Backends, func(n *named) bool { return n.backend == b }) {
			continue
		}
		cluster := cmp.Or(b.Name, r.Name)
		for slices.ContainsFunc(s.Backends, func(n *named) bool { return n.Cluster == cluster }) || cluster == "sessions" {
			cluster += "-" + fmt.Sprint(b.Port)
		}
		s.Backends = append(s.Backends, &named{b, cluster, discovery(b.Host)})
		if b.Namespace != "" && b.Namespace != s.Gateway.Namespace {
			grants[b.Namespace] = true
		}
	}
	slices.SortFunc(s.Backends, func(a, b *named) int { return strings.Compare(a.Cluster, b.Cluster) })
	s.Grants = slices.Sorted(maps.Keys(grants))
}

// Backend returns the service of a route.
func (s *site) Backend(r *Route) (*named, error) {
	b, err := parseBackend(r.To)
	if err != nil {
		return nil, err
	}
	return s.Backends[slices.IndexFunc(s.Backends, func(n *named) bool { return n.backend == b })], nil
}

// External returns the services that are not Kubernetes'.
func (s *site) External() (all []*named) {
	for _, b := range s.Backends {
		if b.Name == "" {
			all = append(all, b)
		}
	}
	return all
}

// Plugin returns what a WasmPlugin and the wasm of a TrafficExtension have in common.
func (s *site) Plugin() (string, error) { return execute("plugin.yaml", s) }

// Domains are the hosts as an Envoy without a control plane matches them: with any port.
func (s *site) Domains() (all []string) {
	for _, host := range s.Hosts {
		if host == "*" {
			return []string{host}
		}
		all = append(all, host, host+":*")
	}
	return all
}

// ProxyNamespace is the namespace of the proxies.
func (s *site) ProxyNamespace() string { return cmp.Or(s.Gateway.ProxyNamespace, s.Gateway.Namespace) }

// Arguments are those of cloakroom in the container.
func (s *site) Arguments() []string {
	return append([]string{"serve", "--listen", fmt.Sprintf(":%d", s.Service.Port)}, s.Service.Arguments...)
}

// Entries are the hosts that Istio's registry does not have.
func (s *site) Entries() []*named {
	all := s.External()
	if s.Service.Address != "" && s.SessionHost != "" {
		all = append(all, &named{backend{Host: s.Service.Address, Port: s.Service.Port}, "sessions", s.Discovery()})
	}
	return all
}

// Discovery returns Envoy's type of the session service's cluster.
func (s *site) Discovery() string { return discovery(s.SessionHost) }

// Patched returns the routes with configuration in their metadata.
func (s *site) Patched() (all []*Route) {
	for _, r := range s.Routes {
		if r.Metadata && len(r.Configuration) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// Rule returns the match of a route in Envoy Gateway: the type and the value of its path.
func (s *site) Rule(r *Route) (string, error) {
	kind, value := "Exact", r.Path
	if r.Prefix != "" {
		kind, value = "PathPrefix", r.Prefix
	}
	if e, ok := s.Expressions[r.Name]; ok {
		kind, value = "RegularExpression", e
	}
	text, err := inFlow(value)
	return "{type: " + kind + ", value: " + text + "}", err
}

// Semicolon is the route that answers paths with a semicolon.
func (s *site) Semicolon() *Route { return &Route{Name: semicolons, Regex: withSemicolon} }

func discovery(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return "STATIC"
	}
	return "STRICT_DNS"
}

func execute(name string, s *site) (string, error) {
	var out bytes.Buffer
	err := templates.ExecuteTemplate(&out, name, s)
	return out.String(), err
}

// match returns the match of a route, with a proxy's word for an exact path.
func match(r *Route, exact string) (string, error) {
	text, err := inFlow(r.Path + r.Prefix + r.Regex)
	kind := r.kind()
	if kind == "path" {
		kind = exact
	}
	return kind + ": " + text, err
}

// envoyMatch returns the match of Envoy's route.
func envoyMatch(r *Route) (string, error) {
	if r.Regex != "" {
		text, err := inFlow(r.Regex)
		return "safe_regex: {regex: " + text + "}", err
	}
	return match(r, "path")
}
