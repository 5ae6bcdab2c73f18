// Package manifests prints what Istio, Envoy Gateway, Envoy and Kubernetes need for Cloakroom, from
// one description of a site.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Description is a site, as cloakroom.yaml has it.
type Description struct {
	// Hosts are the names that the site is reached by.
	Hosts   []string `yaml:"hosts"`
	Gateway Gateway  `yaml:"gateway"`
	Filter  Filter   `yaml:"filter"`
	Service Service  `yaml:"service"`
	// Routes are tried in their order, for Envoy Gateway too, which has another of its own.
	Routes []*Route `yaml:"routes"`
	// Django is a project that adds to Filter, Service and Routes.
	Django Django `yaml:"django"`
	// Semicolons permits paths with a semicolon, which are answered with 400 otherwise.
	Semicolons bool `yaml:"semicolons"`

	file string
	tree *ast.File
}

// Django is what cloakroom config from-django --json printed of a project.
type Django struct {
	// Settings is the file, beside the description.
	Settings string `yaml:"settings"`
	// To is Django's host and port.
	To string `yaml:"to"`
}

// Gateway is the proxy at the edge.
type Gateway struct {
	// Name and Namespace are those of the Gateway.
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
	// ProxyNamespace is where the proxies run; "" means Namespace. Envoy Gateway's run in its own.
	ProxyNamespace string `yaml:"proxy_namespace"`
	// Existing reports that the Gateway is there already, and is only referred to.
	Existing bool `yaml:"existing"`
	// Selector are the labels of Istio's gateway.
	Selector map[string]string `yaml:"selector"`
	// Class is the GatewayClass of Envoy Gateway. With CreateClass it is printed, too.
	Class       string `yaml:"class"`
	CreateClass bool   `yaml:"create_class"`
	// Certificate is the Secret with the site's certificate.
	Certificate string `yaml:"certificate"`
	// Address, Port and AdminPort are what an Envoy without a control plane listens on.
	Address   string `yaml:"address"`
	Port      int    `yaml:"port"`
	AdminPort int    `yaml:"admin_port"`
}

// Filter is the module and its configuration.
type Filter struct {
	// Image is the reference of the image, with its digest after @ or in SHA256.
	Image  string `yaml:"image"`
	SHA256 string `yaml:"sha256"`
	// PullSecret is the Secret with the registry's credentials, in the namespace of the Gateway.
	PullSecret string `yaml:"pull_secret"`
	// Wasm is the path of the module, for an Envoy without a control plane.
	Wasm string `yaml:"wasm"`
	// Resource is Istio's kind of resource: WasmPlugin, or TrafficExtension from Istio 1.30 on.
	Resource string `yaml:"resource"`
	// Configuration is the filter's, without what Service and Routes say.
	Configuration yaml.MapSlice `yaml:"configuration"`
}

// Service is the session service. It is not used if the configuration has only signed cookies.
type Service struct {
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
	// Address is the host of a service outside of Kubernetes, in place of Name and Namespace.
	Address string `yaml:"address"`
	Port    int    `yaml:"port"`
	// Image is the reference of the image, with its digest after @ or in SHA256.
	Image    string `yaml:"image"`
	SHA256   string `yaml:"sha256"`
	Replicas int    `yaml:"replicas"`
	// Secret has CLOAKROOM_STORE, CLOAKROOM_SECRET_KEY and others of the service's environment.
	Secret string `yaml:"secret"`
	// Token is the Secret with the token, under the key token, in the namespaces of the service and
	// of the Gateway.
	Token string `yaml:"token"`
	// Arguments are those of cloakroom serve besides --store and --listen.
	Arguments []string `yaml:"arguments"`
	// Monitoring is the namespace of Prometheus: with it there is a ServiceMonitor.
	Monitoring string `yaml:"monitoring"`
}

// Route is a path, or several, and where its requests go.
type Route struct {
	Name string `yaml:"name"`
	// Path, Prefix and Regex (RE2, of the whole path) select the requests; one of them is set.
	Path   string `yaml:"path"`
	Prefix string `yaml:"prefix"`
	Regex  string `yaml:"regex"`
	// To is the host and the port of the service.
	To string `yaml:"to"`
	// Respond is a fixed response, in place of To.
	Respond *Response `yaml:"respond"`
	// Stream takes the time limit from responses, as for WebSockets and server-sent events. Istio has
	// none by default.
	Stream bool `yaml:"stream"`
	// Configuration is what the filter does differently on this route.
	Configuration yaml.MapSlice `yaml:"configuration"`
	// Metadata puts the configuration into the route's own metadata, where the proxy has a field for
	// it: Envoy, and Istio by an EnvoyFilter.
	Metadata bool `yaml:"metadata"`
}

// Response is a fixed response.
type Response struct {
	Status int    `yaml:"status"`
	Body   string `yaml:"body"`
}

// Parse reads a description. An error names the file, the line and the field's path.
func Parse(file string, text []byte) (*Description, error) { return parse(file, text, nil) }

// Add reads a description, and adds the settings of a project, which cloakroom config from-django
// --json prints, in the place of those that django.settings names.
func Add(settings, description []byte) (*Description, error) { return parse("", description, settings) }

func parse(file string, text, settings []byte) (*Description, error) {
	d := &Description{
		Gateway: Gateway{Name: "site", Namespace: "istio-ingress", Class: "eg", Address: "127.0.0.1", Port: 10000, AdminPort: 9901},
		Filter:  Filter{Wasm: "build/cloakroom.wasm", Resource: "WasmPlugin"},
		Service: Service{Name: "sessions", Namespace: "default", Port: 8081, Replicas: 2, Secret: "cloakroom-service", Token: "cloakroom"},
		file:    file,
	}
	var err error
	if d.tree, err = parser.ParseBytes(text, 0); err != nil {
		return nil, d.located(err)
	}
	if len(d.tree.Docs) != 1 {
		return nil, fmt.Errorf("%s: write one document, not %d", file, len(d.tree.Docs))
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.UseOrderedMap()).Decode(d); err != nil {
		return nil, d.located(err)
	}
	if d.Gateway.Selector == nil {
		d.Gateway.Selector = map[string]string{"istio": "ingressgateway"}
	}
	if err := d.addDjango(settings); err != nil {
		return nil, err
	}
	return d, d.check()
}

// located returns an error of the YAML package with the file, the line and the path.
func (d *Description) located(err error) error {
	var of yaml.Error
	if !errors.As(err, &of) || of.GetToken() == nil {
		return fmt.Errorf("%s: %w", d.file, err)
	}
	position := of.GetToken().Position
	finder := &pathFinder{line: position.Line, column: position.Column}
	if d.tree != nil {
		for _, doc := range d.tree.Docs {
			ast.Walk(finder, doc)
		}
	}
	if finder.path == "" {
		return fmt.Errorf("%s:%d: %s", d.file, position.Line, of.GetMessage())
	}
	return fmt.Errorf("%s:%d: %s: %s", d.file, position.Line, finder.path, of.GetMessage())
}

// pathFinder finds the path of the node at a position.
type pathFinder struct {
	line, column int
	path         string
}

// Visit implements ast.Visitor.
func (f *pathFinder) Visit(node ast.Node) ast.Visitor {
	if t := node.GetToken(); t != nil && t.Position.Line == f.line && t.Position.Column == f.column {
		if path := strings.TrimPrefix(node.GetPath(), "$."); len(path) >= len(f.path) {
			f.path = path
		}
	}
	return f
}

// wrong returns an error about the field at a path.
func (d *Description) wrong(path, format string, args ...any) error {
	if d.file == "" {
		return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	return fmt.Errorf("%s:%d: %s: %s", d.file, d.line(path), path, fmt.Sprintf(format, args...))
}

// line returns the line of the field at a path, or of the nearest that is in the file.
func (d *Description) line(path string) int {
	for path != "" {
		if p, err := yaml.PathString("$." + path); err == nil {
			if node, err := p.FilterFile(d.tree); err == nil && node != nil && node.GetToken() != nil {
				return lineOf(node)
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

// lineOf returns the first line of a node: that of a mapping is its first key's, not its colon's.
func lineOf(node ast.Node) int {
	if mapping, ok := node.(*ast.MappingNode); ok && len(mapping.Values) > 0 {
		return mapping.Values[0].Key.GetToken().Position.Line
	}
	if value, ok := node.(*ast.MappingValueNode); ok {
		return value.Key.GetToken().Position.Line
	}
	return node.GetToken().Position.Line
}
