package fromdjango

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"
)

// Proxy is the part of a proxy's configuration that does not come from the settings.
type Proxy struct {
	// Address and Port are what Envoy listens on, AdminPort its admin interface's.
	Address         string
	Port, AdminPort int
	// App is Django's host and port, Service that of the session service.
	App, Service string
	// Wasm is the path of the module.
	Wasm string
	// Site is the host of Istio's gateway, Image the module's, Namespace the gateway's.
	Site, Image, Namespace string
}

// endpoint is a host and a port.
type endpoint struct {
	Host      string
	Port      int
	Discovery string // Envoy's type of the cluster
}

//go:embed template/*.yaml
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"json":   quote,
	"indent": indent,
	"match":  envoyMatch,
	"uri":    istioMatch,
}).ParseFS(templateFiles, "template/*.yaml"))

// Bootstrap returns a bootstrap of Envoy, like envoy/bootstrap.yaml, with the result in it.
func (r *Result) Bootstrap(p Proxy) (string, error) {
	return r.render("bootstrap.yaml", p, "", maps.Clone(r.Filter), map[string]any{})
}

// Istio returns manifests, like those of envoy/istio.yaml, with the result in them.
func (r *Result) Istio(p Proxy) (string, error) {
	config := maps.Clone(r.Filter)
	if r.Serve != nil {
		service, err := parseEndpoint("--service", p.Service)
		if err != nil {
			return "", err
		}
		config["engine"] = map[string]any{"service": map[string]any{
			"cluster":   fmt.Sprintf("outbound|%d||%s", service.Port, service.Host),
			"authority": service.Host, "token": "${CLOAKROOM_TOKEN}",
		}}
	}
	prefix := ""
	if config["mode"] == "required" {
		// Routes of other namespaces must not take the pages' modes by a name. Where the pages are
		// stricter than the rest, the names must hold whatever the VirtualService is called.
		config["route_names"], prefix = "namespaced", p.Namespace+"/site/"
	}
	return r.render("istio.yaml", p, prefix, config, map[string]any{prefix + "semicolons": map[string]any{"mode": "off"}})
}

// render executes a template. It adds the pages to routes, by their names with a prefix, and routes to
// config.
func (r *Result) render(name string, p Proxy, prefix string, config, routes map[string]any) (string, error) {
	app, err := parseEndpoint("--app", p.App)
	if err != nil {
		return "", err
	}
	var service endpoint
	if r.Serve != nil {
		if service, err = parseEndpoint("--service", p.Service); err != nil {
			return "", err
		}
	}
	for _, page := range r.Pages {
		routes[prefix+page.Name] = map[string]any{"mode": page.Mode}
	}
	if len(routes) > 0 {
		config["routes"] = routes
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = templates.ExecuteTemplate(&out, name, struct {
		Proxy
		App, Service        endpoint
		Pages               []Page
		HostEnv             []string
		Mode, Configuration string
	}{p, app, service, r.Pages, r.HostEnv, fmt.Sprint(r.Filter["mode"]), string(text)})
	return out.String(), err
}

// parseEndpoint parses a host and a port.
func parseEndpoint(flag, text string) (e endpoint, err error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		e.Port, err = strconv.Atoi(port)
	}
	if err != nil || host == "" || e.Port < 1 || e.Port > 65535 {
		return e, fmt.Errorf("%s %q: write a host and a port, such as 127.0.0.1:8000", flag, text)
	}
	e.Host, e.Discovery = host, "STRICT_DNS"
	if _, err := netip.ParseAddr(host); err == nil {
		e.Discovery = "STATIC"
	}
	return e, nil
}

// quote returns a value in JSON, which is YAML too.
func quote(value any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// indent puts n spaces before each line.
func indent(n int, text string) string {
	space := strings.Repeat(" ", n)
	return space + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+space)
}

// envoyMatch returns the match of Envoy's route.
func envoyMatch(p Page) (string, error) {
	value, err := quote(p.Value)
	if p.Match == "regex" {
		return "safe_regex: {regex: " + value + "}", err
	}
	return p.Match + ": " + value, err
}

// istioMatch returns the match of Istio's route.
func istioMatch(p Page) (string, error) {
	value, err := quote(p.Value)
	if p.Match == "path" {
		return "exact: " + value, err
	}
	return p.Match + ": " + value, err
}
