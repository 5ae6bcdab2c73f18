package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tenantFields is metadata that sets one field.
func tenantFields(path string, value any) map[string]any {
	before, rest, nested := strings.Cut(path, ".")
	if nested {
		value = tenantFields(rest, value)
	}
	return map[string]any{before: value}
}

// leaf is a field of a route, and a value for it.
type leaf struct {
	path  string
	value any
}

// leaves returns every field of a route's configuration, with a value of its kind.
func leaves(o object, path string) (all []leaf) {
	for _, f := range o {
		at := join(path, f.name)
		if inner, ok := f.spec.(object); ok {
			all = append(all, leaves(inner, at)...)
			continue
		}
		value := f.spec.schema()["default"]
		if list, ok := value.([]string); ok {
			value = slices.Clone(list)
		}
		all = append(all, leaf{at, value})
	}
	return all
}

// TestMetadataMaySet holds for every field there is that metadata may set it only where the
// configuration allows it, and that what leads to the token and to secrets cannot be allowed.
func TestMetadataMaySet(t *testing.T) {
	byDefault := parsed(t, `"mode":"required"`)
	route := defaultRoute()
	var may []string
	for _, l := range leaves(route.fields(nil), "") {
		fields := Metadata{Fields: tenantFields(l.path, l.value)}
		_, err := byDefault.ResolveMetadata("r", fields)
		refused := err != nil && strings.Contains(err.Error(), "metadata.filter_metadata.cloakroom."+l.path+": a route's metadata may not set it: route_metadata.allow in the plugin's configuration has login, mode, on_missing, require")
		if !refused {
			may = append(may, l.path)
		}
		_, err = Parse(`{"engine":{"service":{"cluster":"s"}},"route_metadata":{"allow":["`+l.path+`"]}}`, noEnv)
		never := slices.ContainsFunc(neverAllowed, func(n string) bool { return covers(n, l.path) })
		if never != (err != nil) {
			t.Errorf("allow %s: error %v", l.path, err)
		}
	}
	if want := []string{"mode", "login.url", "login.next_param", "on_missing", "require"}; !slices.Equal(may, want) {
		t.Errorf("metadata may set %q by default, want %q", may, want)
	}
	for _, never := range neverAllowed {
		if paths := route.fields(nil).paths(""); !slices.Contains(paths, never) {
			t.Errorf("%s is no field", never)
		}
	}
}

func TestAllow(t *testing.T) {
	for allow, want := range map[string]string{
		`["engine"]`:               "route_metadata.allow: engine cannot be allowed, since engine.service.authority is in it",
		`["engine.service"]`:       "route_metadata.allow: engine.service cannot be allowed",
		`["engine.service.token"]`: "engine.service.token cannot be allowed",
		`["engine.signed_cookies.secret_key_fallbacks"]`: "cannot be allowed, since engine.signed_cookies is in it",
		`["mod"]`:               `route_metadata.allow: "mod" is no field`,
		`["mode.x"]`:            `"mode.x" is no field`,
		`["strip_headers"]`:     `"strip_headers" is no field`,
		`["routes"]`:            `"routes" is no field`,
		`[""]`:                  `"" is no field`,
		`"mode"`:                "route_metadata.allow: must be a list of strings",
		`["mode"],"allows":[]`:  "route_metadata.allows: unknown field",
		`["mode"],"metadata":1`: "route_metadata.metadata: unknown field",
	} {
		if _, err := Parse(`{"engine":{"service":{"cluster":"s"}},"route_metadata":{"allow":`+allow+`}}`, noEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("allow %s: error %v, want %q in it", allow, err, want)
		}
	}
	c := parsed(t, `"route_metadata":{"allow":["cookie","engine.service.cache.ttl"]}`)
	fields := map[string]any{"cookie": map[string]any{"name": "s"}, "engine": map[string]any{"service": map[string]any{"cache": map[string]any{"ttl": "1m"}}}}
	if r, err := c.ResolveMetadata("r", Metadata{Fields: fields}); err != nil || r.Route.Cookie.Name != "s" || r.Route.Service.Cache.TTL == 0 {
		t.Errorf("what is allowed: %v, %v", r, err)
	}
	fields["mode"] = "off"
	if _, err := c.ResolveMetadata("r", Metadata{Fields: fields}); err == nil || !strings.Contains(err.Error(), "cloakroom.mode: a route's metadata may not set it") {
		t.Errorf("with a list of its own the mode is not in: %v", err)
	}
	none := parsed(t, `"route_metadata":{"allow":[]}`)
	if _, err := none.ResolveMetadata("r", Metadata{Fields: map[string]any{"mode": "required"}}); err == nil {
		t.Error("an empty list allows the mode")
	}
	ignored := parsed(t, `"route_metadata":false`)
	if r, err := ignored.ResolveMetadata("r", Metadata{Fields: fields, Annotation: "x"}); err != nil || r.Route.Mode != Required || ignored.ByMetadata() {
		t.Errorf("with false: %v, %v", r, err)
	}
}

// TestMetadataReadsNoSecrets holds that metadata cannot have the VM's environment read.
func TestMetadataReadsNoSecrets(t *testing.T) {
	var asked []string
	env := func(name string) (string, bool) { asked = append(asked, name); return "hunter2", true }
	c, err := Parse(`{"engine":{"service":{"cluster":"s","token":"${TOKEN}"}},"route_metadata":{"allow":["login"],"annotations":true}}`, env)
	if err != nil {
		t.Fatal(err)
	}
	asked = nil
	for _, m := range []Metadata{
		{Fields: map[string]any{"engine": map[string]any{"service": map[string]any{"token": "${HOME}"}}}},
		{Annotation: `{"engine":{"signed_cookies":{"secret_key":"${HOME}"}}}`},
		{Annotation: `{"engine":{"service":{"cluster":"mine"}}}`},
		{Annotation: `{"engine":"${HOME}"}`},
	} {
		if r, err := c.ResolveMetadata("r", m); err == nil || r.Route != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v, %v", m, r, err)
		}
	}
	if r, err := c.ResolveMetadata("r", Metadata{Annotation: `{"login":{"url":"${HOME}"}}`}); err == nil {
		t.Errorf("the environment in a URL: %v", r.Route.Login)
	}
	if len(asked) > 0 {
		t.Errorf("the environment's %q were read", asked)
	}
}

func TestAnnotation(t *testing.T) {
	accepted := parsed(t, `"route_metadata":{"annotations":true},"routes":{"r":{"on_missing":"deny"}}`)
	both := Metadata{Annotation: ` {"mode": "optional", "on_missing": "redirect"} `, Fields: map[string]any{"mode": "required"}}
	r, err := accepted.ResolveMetadata("r", both)
	if err != nil || r.Route.Mode != Required || r.Route.OnMissing != MissingRedirect || r.Key != "r" {
		t.Errorf("annotation and metadata: %+v, %v; want the metadata's mode, and the annotation's on_missing", r, err)
	}
	const path = "annotation gateway.envoyproxy.io/cloakroom"
	for _, tt := range []struct {
		annotation any
		want       string
	}{
		{`{mode: optional}`, path + `: must be a JSON object, such as {"mode": "optional"}`},
		{"", path + ": must be a JSON object"},
		{"null", path + ": must be an object"},
		{"[]", path + ": must be an object"},
		{7.0, path + ": must be a JSON object"},
		{`{"mode":"optional","mode":"off"}`, path + ": must be a JSON object"},
		{strings.Repeat(`{"mode":`, 300), path + ": must be a JSON object"},
		{`{"accept_updates":true}`, path + ".accept_updates: a route's metadata may not set it"},
		{`{"mdoe":"off"}`, path + ".mdoe: unknown field"},
	} {
		if _, err := accepted.ResolveMetadata("r", Metadata{Annotation: tt.annotation}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v, want %q in it", tt.annotation, err, tt.want)
		}
	}
	if r, err := parsed(t, `"mode":"required"`).ResolveMetadata("r", both); err == nil || r.Route != nil || !strings.Contains(err.Error(), path+": it is not accepted: set route_metadata.annotations") {
		t.Errorf("annotations that are not accepted: %v, %v", r, err)
	}
}

// TestErrorIsOneLine holds that a tenant cannot forge lines of the log, nor fill it.
func TestErrorIsOneLine(t *testing.T) {
	c := parsed(t, `"route_metadata":{"annotations":true}`)
	annotation := map[string]any{"cloakroom": `{"a\n[critical] forged":1,"b` + strings.Repeat("b", 5000) + `":2}`}
	message := metadataMessage(t, envoyGatewayNamespace, map[string]any{"resources": []any{map[string]any{"kind": "HTTPRoute", "annotations": annotation}}})
	_, err := c.Resolve("r\n", message)
	if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1200 || !strings.Contains(err.Error(), "a; [critical] forged: unknown field") {
		t.Errorf("error %v", err)
	}
}

func TestReadMetadata(t *testing.T) {
	resource := func(fields map[string]any) map[string]any {
		return map[string]any{"envoy-gateway": map[string]any{"resources": []any{fields, map[string]any{"kind": "HTTPRoute", "namespace": "second", "name": "no"}}}}
	}
	istio := func(config any) map[string]any {
		return map[string]any{"istio": map[string]any{"config": config}}
	}
	for _, tt := range []struct {
		name string
		tree map[string]any
		want string // the name of the route "login", with its resource
	}{
		{"Istio", istio("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web"), "shop/web/login"},
		{"Istio, older", istio("/apis/networking.istio.io/v1alpha3/namespaces/shop/virtual-service/web.site"), "shop/web.site/login"},
		{"a route of the Gateway API in Istio, whose namespace is the oldest's", istio("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/istio-ingress~site-istio-autogenerated-k8s-gateway~http~a.test"), ""},
		{"another kind in Istio", istio("/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web"), ""},
		{"another group", istio("/apis/example.com/v1/namespaces/shop/virtual-service/web"), ""},
		{"Istio without a namespace", istio("/apis/networking.istio.io/v1/namespaces//virtual-service/web"), ""},
		{"Istio, longer", istio("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web/x"), ""},
		{"Istio, no text", istio(7.0), ""},
		{"Envoy Gateway", resource(map[string]any{"kind": "HTTPRoute", "namespace": "shop", "name": "web", "sectionName": "login"}), "HTTPRoute/shop/web/login"},
		{"a rule without a name", resource(map[string]any{"kind": "GRPCRoute", "namespace": "shop", "name": "web"}), "GRPCRoute/shop/web/"},
		{"another kind", resource(map[string]any{"kind": "Gateway", "namespace": "shop", "name": "web"}), ""},
		{"no namespace", resource(map[string]any{"kind": "HTTPRoute", "name": "web"}), ""},
		{"a slash", resource(map[string]any{"kind": "HTTPRoute", "namespace": "shop", "name": "web/x"}), ""},
		{"no resources", map[string]any{"envoy-gateway": map[string]any{"resources": []any{}}}, ""},
		{"none", nil, ""},
	} {
		if got := ReadMetadata(tt.tree).ResourceName("login"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	annotated := resource(map[string]any{"kind": "HTTPRoute", "annotations": map[string]any{"cloakroom": "{}", "other": "x"}})
	got, err := parseMetadata(metadataMessage(t, "envoy-gateway", annotated["envoy-gateway"].(map[string]any)))
	if want := (Metadata{Kind: "HTTPRoute", Annotation: "{}"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseMetadata = %+v, %v; want %+v", got, err, want)
	}
}

// TestNamespaced holds that one namespace's route has no configuration of another's, whatever its
// owner calls it.
func TestNamespaced(t *testing.T) {
	c := parsed(t, `"route_names":"namespaced","route_metadata":false,"routes":{"shop/web/login":{"mode":"off"},"shop/*":{"mode":"optional"},"HTTPRoute/shop/web/*":{"on_missing":"deny"}}`)
	istio := func(namespace, name string) Metadata { return Metadata{Owner: namespace, Name: name} }
	gateway := func(namespace, section string) Metadata {
		return Metadata{Kind: "HTTPRoute", Owner: namespace, Name: "web", Section: section}
	}
	for _, tt := range []struct {
		name string
		m    Metadata
		key  string
	}{
		{"login", istio("shop", "web"), "shop/web/login"},
		{"cart", istio("shop", "web"), "shop/*"},
		{"login", istio("evil", "web"), ""},
		{"shop/web/login", istio("evil", "web"), ""},
		{"../../shop/web/login", istio("evil", "web"), ""},
		{"shop/web/login", Metadata{}, ""},
		{"", Metadata{}, ""},
		{"httproute/shop/web/rule/0/match/0/a_test", gateway("shop", ""), "HTTPRoute/shop/web/*"},
		{"httproute/shop/web/rule/0/match/0/a_test", gateway("shop", "login"), "HTTPRoute/shop/web/*"},
		{"httproute/shop/web/rule/0/match/0/a_test", gateway("evil", "login"), ""},
		{"HTTPRoute/shop/web/x", istio("HTTPRoute", ""), ""},
	} {
		r, err := c.ResolveMetadata(tt.name, tt.m)
		if err != nil || r.Key != tt.key || (tt.key == "") != (r.Route == &c.base) {
			t.Errorf("%q of %+v has the configuration of %q, %v; want that of %q", tt.name, tt.m, r.Key, err, tt.key)
		}
	}
	if !c.ByMetadata() {
		t.Error("the metadata, which has the namespace, is not looked at")
	}
	unknown := parsed(t, `"route_names":"namespaced","routes":{"*":{"mode":"off"}}`)
	for name, want := range map[string]Mode{"shop": ModeOff, "": Required} {
		if r, err := unknown.ResolveMetadata("login", istio(name, "web")); err != nil || r.Route.Mode != want {
			t.Errorf("a route of the namespace %q has the mode %v, %v; want %v", name, r.Route.Mode, err, want)
		}
	}
	for _, key := range []string{"login", "api-*", "shop/web", "HTTPRoute/shop/web", "GRPCRoute/shop/web", ""} {
		if _, err := Parse(`{"engine":{"service":{"cluster":"s"}},"route_names":"namespaced","routes":{"`+key+`":{}}}`, noEnv); err == nil || !strings.Contains(err.Error(), "routes."+key+": with route_names: namespaced") {
			t.Errorf("the key %q: error %v", key, err)
		}
	}
	for _, key := range []string{"*", "shop/*", "*/web/login", "HTTPRoute/shop/web/", "HTTPRoute/*", "shop/web/"} {
		parsed(t, `"route_names":"namespaced","routes":{"`+key+`":{}}`)
	}
}
