// Package neighbours tests the filter among other HTTP filters of Envoy's, before and after it.
package neighbours

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const token = "the neighbours' token"

// site is an Envoy with the filter and one neighbour, before an upstream and a session service.
type site struct {
	t   *testing.T
	url string
	key string // of a session of the user 7
}

// response is what a client receives.
type response struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers are alternately names and values.
func (s *site) ask(method, body string, headers ...string) response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Mode", "cors")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response{got.StatusCode, got.Header, string(text)}
}

// cookie is the header of the live session.
func (s *site) cookie() (name, value string) { return "Cookie", "sessionid=" + s.key }

// status checks the status of a response.
func (s *site) status(got response, want int) {
	s.t.Helper()
	if got.status != want {
		s.t.Errorf("status %d, want %d: %.200s", got.status, want, got.body)
	}
}

// neighbour returns an HTTP filter.
func neighbour(name, kind string, fields map[string]any) map[string]any {
	config := map[string]any{"@type": "type.googleapis.com/envoy.extensions.filters.http." + kind}
	for field, value := range fields {
		config[field] = value
	}
	return map[string]any{"name": "envoy.filters.http." + name, "typed_config": config}
}

var (
	cors      = neighbour("cors", "cors.v3.Cors", nil)
	rateLimit = neighbour("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", map[string]any{
		"stat_prefix": "limit", "token_bucket": map[string]any{"max_tokens": 2, "fill_interval": "3600s"},
		"filter_enabled":  map[string]any{"default_value": map[string]any{"numerator": 100}},
		"filter_enforced": map[string]any{"default_value": map[string]any{"numerator": 100}},
	})
	rbac = neighbour("rbac", "rbac.v3.RBAC", map[string]any{"rules": map[string]any{"policies": map[string]any{"seven": map[string]any{
		"permissions": []any{map[string]any{"any": true}},
		"principals":  []any{map[string]any{"header": map[string]any{"name": "x-user-id", "string_match": map[string]any{"exact": "7"}}}},
	}}}})
	extAuthz = neighbour("ext_authz", "ext_authz.v3.ExtAuthz", map[string]any{"http_service": map[string]any{
		"server_uri": map[string]any{"uri": "http://authz.test", "cluster": "authz", "timeout": "20s"},
	}, "allowed_headers": map[string]any{"patterns": []any{map[string]any{"exact": "x-user-id"}}}})
	compressor = neighbour("compressor", "compressor.v3.Compressor", map[string]any{"compressor_library": map[string]any{
		"name": "gzip", "typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"},
	}})
	buffer  = neighbour("buffer", "buffer.v3.Buffer", map[string]any{"max_request_bytes": 1000})
	grpcWeb = neighbour("grpc_web", "grpc_web.v3.GrpcWeb", nil)

	corsPolicy = map[string]any{"envoy.filters.http.cors": map[string]any{
		"@type":                     "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
		"allow_origin_string_match": []any{map[string]any{"exact": "https://app.test"}}, "allow_methods": "GET",
	}}
)

// rows are docs/operations.md's table: what becomes of requests with a filter of Envoy's before this
// one, and after it.
var rows = map[string]struct {
	before, after any
	check         func(*site)
}{
	"cors before": {before: cors, check: func(s *site) {
		preflight := s.ask("OPTIONS", "", "Origin", "https://app.test", "Access-Control-Request-Method", "GET")
		s.status(preflight, 200)
		refused := s.ask("GET", "", "Origin", "https://app.test")
		s.status(refused, 401)
		for _, got := range []response{preflight, refused} {
			if origin := got.header.Get("Access-Control-Allow-Origin"); origin != "https://app.test" {
				s.t.Errorf("a page of the other origin reads no %d: access-control-allow-origin %q", got.status, origin)
			}
		}
	}},
	"cors after": {after: cors, check: func(s *site) {
		s.status(s.ask("OPTIONS", "", "Origin", "https://app.test", "Access-Control-Request-Method", "GET"), 401)
	}},
	"rate limit before": {before: rateLimit, check: func(s *site) {
		s.status(s.ask("GET", ""), 401)
		s.status(s.ask("GET", ""), 401)
		name, value := s.cookie()
		s.status(s.ask("GET", "", name, value), 429)
	}},
	"rate limit after": {after: rateLimit, check: func(s *site) {
		for range 4 {
			s.status(s.ask("GET", ""), 401)
		}
		name, value := s.cookie()
		for _, want := range []int{200, 200, 429} {
			s.status(s.ask("GET", "", name, value), want)
		}
	}},
	"rbac before": {before: rbac, check: func(s *site) {
		name, value := s.cookie()
		s.status(s.ask("GET", "", name, value), 403)
		s.status(s.ask("GET", "", "X-User-Id", "7"), 401)
	}},
	"rbac after": {after: rbac, check: func(s *site) {
		name, value := s.cookie()
		s.status(s.ask("GET", "", name, value, "X-User-Id", "8"), 200)
		s.status(s.ask("GET", "", "X-User-Id", "7"), 401)
	}},
	"ext_authz before": {before: extAuthz, check: func(s *site) {
		name, value := s.cookie()
		s.status(s.ask("GET", "", name, value, "X-User-Id", "8"), 418)
	}},
	"ext_authz after": {after: extAuthz, check: func(s *site) {
		name, value := s.cookie()
		s.status(s.ask("GET", "", name, value, "X-User-Id", "8"), 200)
		s.status(s.ask("GET", "", "X-User-Id", "7"), 401)
	}},
	"compressor before": {before: compressor, check: compressed},
	"compressor after":  {after: compressor, check: compressed},
	"buffer before": {before: buffer, check: func(s *site) {
		s.status(s.ask("POST", strings.Repeat("b", 5000)), 413)
	}},
	"buffer after": {after: buffer, check: func(s *site) {
		s.status(s.ask("POST", strings.Repeat("b", 5000)), 401)
		name, value := s.cookie()
		s.status(s.ask("POST", "b", name, value), 200)
	}},
	"grpc_web before": {before: grpcWeb, check: func(s *site) {
		got := s.ask("POST", "", "Content-Type", "application/grpc-web+proto", "Accept", "application/grpc-web+proto")
		if code := got.header.Get("Grpc-Status"); code != "16" {
			s.t.Errorf("a call without a session gets %+v, want grpc-status 16", got)
		}
	}},
	"grpc_web after": {after: grpcWeb, check: func(s *site) {
		got := s.ask("POST", "", "Content-Type", "application/grpc-web+proto", "Accept", "application/grpc-web+proto")
		s.status(got, 401)
		if code := got.header.Get("Grpc-Status"); code != "" {
			s.t.Errorf("a call that the filter does not see as gRPC's gets grpc-status %s", code)
		}
	}},
}

// TestNeighbours starts an Envoy with a listener for each row.
func TestNeighbours(t *testing.T) {
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) {
			sites := start(t, version)
			for _, name := range slices.Sorted(maps.Keys(rows)) {
				t.Run(name, func(t *testing.T) {
					s := sites[name]
					s.t = t
					rows[name].check(s)
				})
			}
		})
	}
}

// compressed checks a response that is compressed.
func compressed(s *site) {
	name, value := s.cookie()
	got := s.ask("GET", "", name, value, "Accept-Encoding", "gzip")
	vary := strings.ToLower(strings.Join(got.header.Values("Vary"), ","))
	if got.status != 200 || got.header.Get("Content-Encoding") != "gzip" || !strings.Contains(vary, "cookie") || !strings.Contains(vary, "accept-encoding") {
		s.t.Errorf("got %d, %v, want gzip, and vary: cookie, accept-encoding", got.status, got.header)
	}
	s.status(s.ask("GET", "", "Accept-Encoding", "gzip"), 401)
}

// start starts an Envoy with a listener for each row, and returns their sites.
func start(t *testing.T, version string) map[string]*site {
	t.Helper()
	sessions := memory.New(time.Now)
	key := sessiontest.Key(t)
	if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	handler, err := service.New(service.Config{Store: sessions, Feed: feed.New(), Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	upstream := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, strings.Repeat("page ", 200))
	}
	// The authorization service allows the user 7, and has a status of its own for others.
	authz := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-User-Id") != "7" {
			w.WriteHeader(http.StatusTeapot)
		}
	}
	clusters := []any{cluster("sessions", portOf(t, handler)), cluster("upstream", portOf(t, http.HandlerFunc(upstream))), cluster("authz", portOf(t, http.HandlerFunc(authz)))}
	ports, err := testenv.FreePorts(len(rows) + 1)
	if err != nil {
		t.Fatal(err)
	}
	filter := wasm(t)
	var listeners []any
	sites := map[string]*site{}
	for i, name := range slices.Sorted(maps.Keys(rows)) {
		var filters []any
		for _, f := range []any{rows[name].before, filter, rows[name].after, neighbour("router", "router.v3.Router", nil)} {
			if f != nil {
				filters = append(filters, f)
			}
		}
		listeners = append(listeners, listener(name, ports[i], filters))
		sites[name] = &site{url: "http://127.0.0.1:" + strconv.Itoa(ports[i]) + "/", key: key}
	}
	admin := ports[len(rows)]
	bootstrap, err := json.Marshal(map[string]any{
		"admin":            map[string]any{"address": address(admin)},
		"static_resources": map[string]any{"listeners": listeners, "clusters": clusters},
	})
	if err != nil {
		t.Fatal(err)
	}
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{Version: version, Bootstrap: string(bootstrap), AdminPort: admin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { envoy.Stop() })
	return sites
}

// wasm returns the filter.
func wasm(t *testing.T) any {
	t.Helper()
	module, err := testenv.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	return neighbour("wasm", "wasm.v3.Wasm", map[string]any{"config": map[string]any{
		"name": "cloakroom", "failure_policy": "FAIL_RELOAD",
		"vm_config": map[string]any{"runtime": "envoy.wasm.runtime.v8", "code": map[string]any{"local": map[string]any{"filename": module}}},
		"configuration": map[string]any{
			"@type": "type.googleapis.com/google.protobuf.StringValue",
			"value": `{"engine":{"service":{"cluster":"sessions","timeout":"20s","token":"` + token + `"}}}`,
		},
	}})
}

// listener returns a listener with HTTP filters.
func listener(name string, port int, filters []any) any {
	host := map[string]any{"name": "all", "domains": []string{"*"}, "routes": []any{map[string]any{"match": map[string]any{"prefix": "/"}, "route": map[string]any{"cluster": "upstream"}}}}
	if strings.HasPrefix(name, "cors") {
		host["typed_per_filter_config"] = corsPolicy
	}
	return map[string]any{"name": name, "address": address(port), "filter_chains": []any{map[string]any{"filters": []any{map[string]any{
		"name": "envoy.filters.network.http_connection_manager",
		"typed_config": map[string]any{
			"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"stat_prefix": "http", "route_config": map[string]any{"virtual_hosts": []any{host}}, "http_filters": filters,
		},
	}}}}}
}

func cluster(name string, port int) any {
	endpoint := map[string]any{"endpoint": map[string]any{"address": address(port)}}
	return map[string]any{"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": map[string]any{
		"cluster_name": name, "endpoints": []any{map[string]any{"lb_endpoints": []any{endpoint}}},
	}}
}

func address(port int) any {
	return map[string]any{"socket_address": map[string]any{"address": "127.0.0.1", "port_value": port}}
}

// portOf returns the port of a server with a handler.
func portOf(t *testing.T, handler http.Handler) int {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
