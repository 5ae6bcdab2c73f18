package manifests_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"cloakroom/cmd/cloakroom/manifests"
	"cloakroom/internal/golden"
)

func parse(t *testing.T, file, text string) *manifests.Description {
	t.Helper()
	d, err := manifests.Parse(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseFile(t *testing.T, file string) *manifests.Description {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, file, string(text))
}

func printed(t *testing.T, text string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// trees returns the documents of a text.
func trees(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for decoder := yaml.NewDecoder(strings.NewReader(text), yaml.Strict()); ; {
		var tree map[string]any
		err := decoder.Decode(&tree)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		all = append(all, tree)
	}
}

// TestPrinted compares the samples of envoy/ with what the command prints.
func TestPrinted(t *testing.T) {
	istio, gateway := parseFile(t, "../../../envoy/istio.cloakroom.yaml"), parseFile(t, "../../../envoy/gateway.cloakroom.yaml")
	text, err := istio.Istio()
	golden.File(t, "../../../envoy/istio.yaml", printed(t, text, err))
	text, err = gateway.EnvoyGateway()
	golden.File(t, "../../../envoy/gateway.yaml", printed(t, text, err))
	text, err = istio.Kubernetes()
	golden.File(t, "../../../envoy/service.yaml", printed(t, text, err))
	text, err = parseFile(t, "testdata/full.yaml").Istio()
	golden.File(t, "testdata/full-istio.yaml", printed(t, text, err))
	text, err = parseFile(t, "testdata/full.yaml").EnvoyGateway()
	golden.File(t, "testdata/full-gateway.yaml", printed(t, text, err))
	text, err = parseFile(t, "testdata/full.yaml").Kubernetes()
	golden.File(t, "testdata/full-service.yaml", printed(t, text, err))
}

// TestBootstrap sees that a description of the demonstration is printed as envoy/bootstrap.yaml.
func TestBootstrap(t *testing.T) {
	text, err := parseFile(t, "testdata/bootstrap.yaml").Envoy()
	got := trees(t, printed(t, text, err))
	sample, err := os.ReadFile("../../../envoy/bootstrap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := trees(t, string(sample)); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant, but for its form,\n%s", text, sample)
	}
}

const site = `hosts: [site.example.com]
filter:
  image: registry.example.com/filter
  sha256: "0000000000000000000000000000000000000000000000000000000000000001"
  configuration:
    mode: required
routes:
- name: app
  prefix: /
  to: app.default.svc.cluster.local:8000
`

// TestRefused has descriptions that are wrong, and what is said of them.
func TestRefused(t *testing.T) {
	replaced := func(old, text string) string {
		if !strings.Contains(site, old) {
			t.Fatalf("%q is not in the site", old)
		}
		return strings.Replace(site, old, text, 1)
	}
	all := func(d *manifests.Description) error {
		_, err := d.Istio()
		_, err2 := d.EnvoyGateway()
		return cmp.Or(err, err2)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":                {"hosts: [", "cloakroom.yaml:1: "},
		"an unknown field":       {site + "hots: [a]\n", "cloakroom.yaml:11: hots: unknown field"},
		"unknown, nested":        {replaced("  image:", "  imgae:"), `cloakroom.yaml:3: filter.imgae: unknown field`},
		"a kind":                 {site + "service: {port: many}\n", "cloakroom.yaml:11: service.port: "},
		"no hosts":               {replaced("hosts: [site.example.com]", "hosts: []"), "cloakroom.yaml:1: hosts: name the hosts"},
		"a host":                 {replaced("site.example.com", "site_1"), `cloakroom.yaml:1: hosts[0]: "site_1" is no host`},
		"a port":                 {site + "service: {port: 0}\n", "cloakroom.yaml:11: service.port: 0 is no port"},
		"a name":                 {site + "service: {secret: Loud}\n", `service.secret: "Loud" is no name of Kubernetes`},
		"no route":               {site[:strings.Index(site, "routes:")], "routes: name the routes"},
		"an empty route":         {site + "-\n", "cloakroom.yaml:11: routes[1]: it is empty"},
		"no path":                {replaced("  prefix: /\n", ""), "cloakroom.yaml:8: routes[0]: write one of path, prefix and regex"},
		"two paths":              {replaced("  prefix: /\n", "  prefix: /\n  path: /\n"), "routes[0]: write one of path, prefix and regex"},
		"a relative path":        {replaced("prefix: /", "prefix: app"), "cloakroom.yaml:9: routes[0].prefix: "},
		"an expression":          {replaced("prefix: /", "regex: ("), "cloakroom.yaml:9: routes[0].regex: "},
		"no destination":         {replaced("  to: app.default.svc.cluster.local:8000\n", ""), "routes[0]: write to (a host and a port), or respond"},
		"no port in it":          {replaced(":8000", ""), "cloakroom.yaml:10: routes[0].to: "},
		"the same name":          {site + "- {name: app, regex: /x, to: \"a:1\"}\n", `routes[1].name: "app"`},
		"never reached":          {site + "- {name: login, prefix: /login/, to: \"a:1\"}\n", "cloakroom.yaml:11: routes[1]: no request comes here: routes[0] (app)"},
		"the filter's field":     {replaced("mode: required", "moed: required"), "cloakroom.yaml:6: filter.configuration.moed: "},
		"the filter's value":     {replaced("mode: required", "login: {url: 7}"), "cloakroom.yaml:6: filter.configuration.login.url: "},
		"a route's field":        {site + "  configuration: {login: {uri: /}}\n", "cloakroom.yaml:11: routes[0].configuration.login.uri: "},
		"routes in the filter's": {replaced("mode: required", "routes: {}"), "cloakroom.yaml:6: filter.configuration.routes: "},
		"the cluster":            {replaced("mode: required", "engine: {service: {cluster: mine}}"), "filter.configuration.engine.service.cluster: it comes from service"},
		"no image":               {replaced("  image: registry.example.com/filter\n", ""), "filter.image: name the image"},
		"no digest":              {replaced("  sha256: \"0000000000000000000000000000000000000000000000000000000000000001\"\n", ""), "filter.sha256: write the image's digest"},
		"two digests":            {replaced("registry.example.com/filter", "registry.example.com/filter@sha256:"+strings.Repeat("2", 64)), "filter.sha256: it is not the digest that is in image"},
		"a resource":             {replaced("  image:", "  resource: Wasm\n  image:"), "cloakroom.yaml:3: filter.resource: write WasmPlugin"},
		"no settings":            {site + "django: {settings: missing.json, to: \"a:1\"}\n", "cloakroom.yaml:11: django.settings: "},
		"an address":             {site + "service: {address: 192.0.2.1}\n", "cloakroom.yaml:11: service.address: Istio's registry has names alone"},
		"an address in a route":  {replaced("app.default.svc.cluster.local", "192.0.2.1"), "cloakroom.yaml:10: routes[0].to: Istio's registry has names alone"},
		"no header of the user":  {site + "  configuration: {identity: {headers: {x-shop: shop}}}\n", "cloakroom.yaml:8: routes[0]: its identity.headers need the same header of _auth_user_id"},
		"an image":               {replaced("registry.example.com/filter", "\"a b\""), `cloakroom.yaml:3: filter.image: "a b" is no reference`},
		"every host":             {replaced("site.example.com", `"*"`), "cloakroom.yaml:1: hosts[0]: the listeners of a Gateway have hosts"},
		"a wildcard":             {strings.Replace(replaced("site.example.com", `"*.example.com"`), "mode: required", "route_names: envoy", 1), "cloakroom.yaml:1: hosts[0]: the names of Envoy Gateway's routes"},
		"names of routes":        {replaced("mode: required", "route_names: ours"), "cloakroom.yaml:6: filter.configuration.route_names: "},
	} {
		d, err := manifests.Parse("cloakroom.yaml", []byte(c.text))
		if err == nil {
			err = all(d)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

// TestNames has what routes are called, by the description's route_names and its mode.
func TestNames(t *testing.T) {
	route := "  configuration: {forward_cookie: false}\n"
	for name, c := range map[string]struct{ general, istio, gateway string }{
		"required":             {"mode: required", "istio-ingress/site/app: {", "HTTPRoute/istio-ingress/app/app: {"},
		"optional":             {"mode: optional", "\n      app: {", "HTTPRoute/istio-ingress/app/app: {"},
		"optional, namespaced": {"{mode: optional, route_names: namespaced}", "istio-ingress/site/app: {", "HTTPRoute/istio-ingress/app/app: {"},
		"Envoy's":              {"{mode: required, route_names: envoy}", "\n      app: {", "httproute/istio-ingress/app/rule/0/match/0/site_example_com: {"},
	} {
		configuration := strings.Trim(c.general, "{}")
		d := parse(t, "cloakroom.yaml", strings.Replace(site, "    mode: required\n", "    "+strings.ReplaceAll(configuration, ", ", "\n    ")+"\n", 1)+route)
		istio, err := d.Istio()
		gateway, err2 := d.EnvoyGateway()
		for text, want := range map[string]string{printed(t, istio, err): c.istio, printed(t, gateway, err2): c.gateway} {
			namespaced := strings.HasPrefix(want, "istio-ingress/") || strings.HasPrefix(want, "HTTPRoute/")
			if !strings.Contains(text, want) || strings.Contains(text, "route_names: namespaced\n") != namespaced {
				t.Errorf("%s: got\n%s\nwant %q in it", name, text, want)
			}
		}
	}
	d := parse(t, "cloakroom.yaml", strings.Replace(site, "mode: required", "route_names: namespaced", 1))
	if _, err := d.Envoy(); err == nil || !strings.Contains(err.Error(), "cloakroom.yaml:6: filter.configuration.route_names: the routes of an Envoy") {
		t.Errorf("an Envoy without a control plane: %v", err)
	}
	wildcard := parse(t, "cloakroom.yaml", strings.Replace(site, "site.example.com", `"*.example.com"`, 1))
	text, err := wildcard.EnvoyGateway()
	if want := `hostnames: ["*.example.com"]`; !strings.Contains(printed(t, text, err), want) {
		t.Errorf("got\n%s\nwant %q in it", text, want)
	}
}

// TestStripped sees that Envoy Gateway removes what any route's configuration declares.
func TestStripped(t *testing.T) {
	text, err := parse(t, "cloakroom.yaml", site+"  configuration: {identity: {headers: {x-user-id: _auth_user_id, X-Shop: shop}}}\n").EnvoyGateway()
	if want := "earlyRequestHeaders: {remove: [x-session, x-session-omitted, x-shop, x-user-id]}"; !strings.Contains(printed(t, text, err), want) {
		t.Errorf("got\n%s\nwant %q in it", text, want)
	}
}

// TestQuoted sees that no text of a description becomes another part of a manifest.
func TestQuoted(t *testing.T) {
	hostile := "a\": {b}\n- c: 'd' # é \\"
	d := parse(t, "cloakroom.yaml", site)
	d.Routes = append([]*manifests.Route{{Name: "r", Regex: hostile, Respond: &manifests.Response{Status: 200, Body: hostile}, Metadata: true, Configuration: yaml.MapSlice{{Key: "cookie", Value: yaml.MapSlice{{Key: "name", Value: "off"}}}}}}, d.Routes...)
	d.Filter.Configuration = append(d.Filter.Configuration, yaml.MapItem{Key: "identity", Value: yaml.MapSlice{{Key: "data_keys", Value: []any{hostile}}}})
	for name, of := range map[string]func() (string, error){"istio": d.Istio, "gateway": d.EnvoyGateway, "envoy": d.Envoy} {
		text, err := of()
		found := 0
		var walk func(any)
		walk = func(node any) {
			switch node := node.(type) {
			case map[string]any:
				for _, child := range node {
					walk(child)
				}
			case []any:
				for _, child := range node {
					walk(child)
				}
			case string:
				if node == hostile || node == "off" {
					found++
				}
			}
		}
		for _, tree := range trees(t, printed(t, text, err)) {
			walk(tree)
		}
		if found < 4 {
			t.Errorf("%s: %d texts came through, want 4 or more:\n%s", name, found, text)
		}
	}
}

// route is an HTTPRoute's name and path.
type route struct{ name, kind, value string }

// chosen returns the route that Envoy Gateway has for a path: exact paths first, then expressions,
// then prefixes, the longest first (its internal/gatewayapi/sort.go).
func chosen(t *testing.T, routes []route, path string) string {
	t.Helper()
	rank := map[string]int{"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b route) int {
		return cmp.Or(rank[a.kind]-rank[b.kind], len(b.value)-len(a.value))
	})
	for _, r := range routes {
		prefix := strings.TrimSuffix(r.value, "/")
		switch {
		case r.kind == "Exact" && path == r.value,
			r.kind == "RegularExpression" && regexp.MustCompile(`^(?:`+r.value+`)$`).MatchString(path),
			r.kind == "PathPrefix" && (path == prefix || strings.HasPrefix(path, prefix+"/")):
			return r.name
		}
	}
	return ""
}

// TestOrder sees that Envoy Gateway sends each request to the route that the description's order has
// for it.
func TestOrder(t *testing.T) {
	d := parse(t, "cloakroom.yaml", `hosts: [site.example.com]
filter: {image: "r.example.com/f", sha256: "0000000000000000000000000000000000000000000000000000000000000001"}
routes:
- {name: any-pdf, regex: "/.*pdf", to: "a:1"}
- {name: exact, path: /docs/a.pdf, to: "a:1"}
- {name: late, path: /docs/late, to: "a:1"}
- {name: docs, prefix: /docs/, to: "a:1"}
- {name: start, prefix: /do, to: "a:1"}
- {name: reset, regex: "/reset/[^/]+/[^/]+/", to: "a:1"}
- {name: reset-all, prefix: /reset/, to: "a:1"}
- {name: app, prefix: /, to: "a:1"}
`)
	text, err := d.EnvoyGateway()
	var routes []route
	for _, tree := range trees(t, printed(t, text, err)) {
		if tree["kind"] != "HTTPRoute" {
			continue
		}
		rule := tree["spec"].(map[string]any)["rules"].([]any)[0].(map[string]any)
		path := rule["matches"].([]any)[0].(map[string]any)["path"].(map[string]any)
		routes = append(routes, route{tree["metadata"].(map[string]any)["name"].(string), path["type"].(string), path["value"].(string)})
	}
	for path, want := range map[string]string{
		"/docs/a.pdf": "any-pdf", "/docs/late": "late", "/docs/x": "docs", "/doors": "start", "/reset/a/b/": "reset", "/reset/a": "reset-all",
		"/reset/..;/admin/": "semicolons", "/docs/;": "semicolons", "/docs/a.pdf;": "semicolons", "/": "app", "/else": "app", "/docs": "start",
	} {
		for range 20 {
			if got := chosen(t, routes, path); got != want {
				t.Errorf("%s: got the route %s, want %s, of %v", path, got, want, routes)
				break
			}
		}
	}
}

// TestDjango adds a project's settings.
func TestDjango(t *testing.T) {
	dir := t.TempDir()
	settings := `{"filter": {"mode": "required", "engine": {"service": {"cluster": "sessions", "token": "${CLOAKROOM_TOKEN}"}}, "login": {"url": "/in/"}, "cookie": {"name": "sid", "path": "/"}},
		"serve": ["serve", "--store", "postgres://db/site", "--auth-backends", "a.B"],
		"pages": [{"name": "login", "match": "path", "value": "/in/", "mode": "optional"}, {"name": "reset", "match": "regex", "value": "/reset/[^/]+/", "mode": "optional"}]}`
	if err := os.WriteFile(filepath.Join(dir, "django.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	digest := `"` + strings.Repeat("0", 63) + `1"`
	d := parse(t, filepath.Join(dir, "cloakroom.yaml"), `hosts: [site.example.com]
django: {settings: django.json, to: "app.default.svc.cluster.local:8000"}
filter: {image: "r.example.com/f", sha256: `+digest+`, configuration: {cookie: {name: other}}}
service: {image: "r.example.com/s", sha256: `+digest+`, arguments: ["--log-format", json]}
routes:
- {name: go, prefix: /go/, to: "go.default.svc.cluster.local:8002"}
`)
	var names []string
	for _, r := range d.Routes {
		names = append(names, r.Name)
	}
	if want := []string{"go", "login", "reset", "app"}; !slices.Equal(names, want) {
		t.Errorf("got the routes %q, want %q", names, want)
	}
	istio, err := d.Istio()
	service, err2 := d.Kubernetes()
	text := printed(t, istio, err) + printed(t, service, err2)
	for _, want := range []string{
		"cookie: {name: other, path: /}", "login: {url: /in/}", "cluster: outbound|8081||sessions.default.svc.cluster.local", "istio-ingress/site/reset: {mode: optional}",
		`args: ["serve","--listen",":8081","--auth-backends","a.B","--log-format","json"]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if bytes.Contains([]byte(text), []byte("postgres:")) {
		t.Error("the store's URL is in the manifests; it may have a password")
	}
}
