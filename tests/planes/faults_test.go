package planes

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

const trick = "/login/..%2fadmin"

// TestIstioNeeds shows what Istio does without the sample's EnvoyFilter cloakroom-gateway and its
// route's second destination, and that they close each.
func TestIstioNeeds(t *testing.T) {
	s := newSite(t)
	full := s.readManifest(t, "istio.yaml", istioHTTP...)
	const kept = "    - {destination: {host: sessions.default.svc.cluster.local, port: {number: 8081}}, weight: 0}\n"
	p := startIstio(t, s, edit(t, without(t, full, "\n  name: cloakroom-gateway\n"), kept, ""), testenv.Envoy140)
	g, key := p.gateways[0], s.login(t)
	until(t, "the filter", func() error { return g.status("/", "", 401) })
	preflight := func() (reply, error) {
		return g.send(http.MethodOptions, p.corsPath, "Host: "+p.corsHost, "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
	}
	if err := g.status("/", key, 503); err != nil {
		t.Errorf("a gateway of few clusters has the session service's: %v", err)
	}
	if r, err := preflight(); err != nil || r.status != 401 {
		t.Errorf("a preflight: %v, %v, want 401 by the filter before cors", r, err)
	}
	if r := g.get(t, trick, ""); r.seen == nil || servletPath(r.seen.Path) != "/admin" {
		t.Errorf("%s: %v, want it to pass by the login page's route", trick, r)
	}

	p.apply(t, full)
	until(t, "the session service's cluster", func() error { return g.status("/", key, 200) })
	until(t, "the order of cors", func() error {
		r, err := preflight()
		if err == nil && (r.status != 200 || r.header.Get("Access-Control-Allow-Origin") == "") {
			err = fmt.Errorf("a preflight: %v", r)
		}
		return err
	})
	until(t, "paths", func() error {
		r, err := g.send(http.MethodGet, trick, asScript("")...)
		if err == nil && r.seen != nil {
			err = fmt.Errorf("%s passes as %s", trick, r.seen.Path)
		}
		return err
	})
	// It stays when a VirtualService changes alone, as it did not with the annotation
	// envoyfilter.istio.io/referenced-services.
	p.apply(t, edit(t, full, "  - name: go\n", "  - name: more\n    match: [{uri: {prefix: /more/}}]\n    directResponse: {status: 418}\n  - name: go\n"))
	until(t, "another route", func() error { return g.status("/more/", key, 418) })
	for range 100 {
		if err := g.status("/", key, 200); err != nil {
			t.Fatal(err)
		}
	}
	// The cluster came with no way to the service.
	for _, name := range []string{"sessions.default.svc.cluster.local", "sessions", host} {
		r, err := g.send(http.MethodPost, "/v1/lookup", "Host: "+name, "Content-Length: 0")
		if err != nil || r.status == 200 || strings.Contains(r.body, "token") {
			t.Errorf("the session service under %s: %v, %v", name, r, err)
		}
	}
}

// foreignPolicy is another team's plugin on the route of the application.
const foreignPolicy = `
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: foreign, namespace: edge}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app}]
  lua: [{type: Inline, inline: "function envoy_on_response(handle) handle:headers():add('x-foreign', '1') end"}]
`

// TestGatewayNeeds shows what another policy on a route does in Envoy Gateway, and what the sample's
// ClientTrafficPolicy, its SecurityPolicy and mergeType keep of it.
func TestGatewayNeeds(t *testing.T) {
	s := newSite(t)
	full := s.readManifest(t, "gateway.yaml", gatewayHost...)
	stripped := without(t, full, "\nkind: SecurityPolicy\nmetadata:\n  name: cloakroom\n")
	bare := without(t, stripped, "\nkind: ClientTrafficPolicy\n")
	p := startGateway(t, s, bare, testenv.Envoy140)
	g := p.gateways[0]
	p.ready(t, s)
	// see sends a forged identity without a session, until another team's plugin runs or does not.
	see := func(text string, foreign bool, check func(reply) error) {
		t.Helper()
		p.apply(t, text)
		until(t, "the policies", func() error {
			r, err := g.send(http.MethodGet, "/", append(asScript(""), "X-User-Id: 1")...)
			if err == nil && (r.header.Get("X-Foreign") != "") != foreign {
				err = fmt.Errorf("another team's plugin: %v", r)
			}
			if err == nil {
				err = check(r)
			}
			return err
		})
	}
	refused := func(r reply) error {
		if r.status != 401 || r.seen != nil {
			return fmt.Errorf("a request without a session: %v", r)
		}
		return nil
	}
	passes := func(user string) func(reply) error {
		return func(r reply) error {
			if r.seen == nil || r.seen.Header.Get("X-User-Id") != user {
				return fmt.Errorf("%v, want it to pass with x-user-id %q", r, user)
			}
			return nil
		}
	}
	see(bare+foreignPolicy, true, passes("1"))    // a bypass
	see(stripped+foreignPolicy, true, passes("")) // as nobody
	see(full+foreignPolicy, true, func(r reply) error {
		if r.status != 403 || r.seen != nil {
			return fmt.Errorf("a request that the filter has not seen: %v", r)
		}
		return nil
	})
	merged := strings.Replace(foreignPolicy, "\nspec:\n", "\nspec:\n  mergeType: StrategicMerge\n", 1)
	see(full+merged, true, refused)
	if r := g.get(t, "/", s.login(t)); r.seen == nil || r.seen.Header.Get("X-User-Id") != "7" {
		t.Errorf("a session on the route of both: %v", r)
	}
	see(full, false, refused)
}

// TestGatewayPositions shows that a rule keeps its configuration by its name when another is inserted
// before it. By Envoy's names of routes, which count positions, the other takes it.
func TestGatewayPositions(t *testing.T) {
	s := newSite(t)
	full := s.readManifest(t, "gateway.yaml", gatewayHost...)
	p := startGateway(t, s, full, testenv.Envoy140)
	g, key := p.gateways[0], s.login(t)
	p.ready(t, s)
	const login = "  - name: login\n    matches: [{path: {type: PathPrefix, value: /login/}}]\n"
	const admin = "  - matches: [{path: {type: PathPrefix, value: /admin/}}]\n    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: app}]\n" +
		"    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-rule, value: admin}]}}]\n"
	inserted := edit(t, full, login, admin+login)
	p.apply(t, inserted)
	until(t, "a rule before that of the login page", func() error {
		r, err := g.send(http.MethodGet, "/admin/", asScript(key)...)
		if err == nil && (r.status != 200 || r.header.Get("X-Rule") != "admin") {
			err = fmt.Errorf("%v", r)
		}
		return err
	})
	if err := errors.Join(g.status("/admin/", "", 401), g.status("/login/", "", 200)); err != nil {
		t.Error(err)
	}
	p.apply(t, edit(t, inserted, "route_names: namespaced", "route_names: envoy", "HTTPRoute/edge/login/login", "httproute/edge/login/rule/0/match/0/site_example_com"))
	until(t, "Envoy's names of routes", func() error {
		return errors.Join(g.status("/admin/", "", 200), g.status("/login/", "", 401))
	})
}
