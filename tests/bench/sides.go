package main

import (
	"fmt"
	"maps"
)

// side is one way of checking sessions; its filters go before the router.
type side struct {
	Name    string
	Port    int
	what    string
	wasm    string         // the module; empty: none
	filters []any          // natively configured
	config  map[string]any // the configuration of the wasm
	cookie  func(b *bench) string
	// callouts reports that the wasm counts its callouts.
	callouts bool
	// mixed reports that requests are of many sessions, and not of one.
	mixed bool
}

// sides returns what is compared; the first is the baseline.
func sides(b *bench) []side {
	serviceKey := func(b *bench) string { return b.key }
	signed := func(b *bench) string { return b.signed }
	ours := func(name, what string, cookie func(*bench) string, config map[string]any) side {
		return side{Name: name, what: what, wasm: b.wasm, config: config, cookie: cookie, callouts: true}
	}
	data := map[string]any{"data_keys": []string{"*"}}
	service := func(more map[string]any) map[string]any {
		s := map[string]any{"cluster": "sessions", "timeout": "5s", "token": b.token}
		maps.Copy(s, more)
		return map[string]any{"engine": map[string]any{"service": s}, "identity": data}
	}
	cached := service(map[string]any{"cache": map[string]any{"ttl": "1h"}})
	verified := map[string]any{"engine": map[string]any{"signed_cookies": map[string]any{"secret_key": b.secretKey}}, "identity": data}
	plain := func(config map[string]any) map[string]any {
		config = maps.Clone(config)
		config["route_metadata"], config["responses"] = false, "skip" // like ext_authz
		return config
	}
	mixed := ours("mixed", "ours, cached, mixed traffic", serviceKey, cached)
	mixed.mixed = true
	return []side{
		{Name: "none", what: "no filter", cookie: serviceKey},
		{Name: "noop", what: "wasm that does nothing", wasm: b.noop, cookie: serviceKey},
		{Name: "calls", what: "wasm that makes our host calls", wasm: b.calls, cookie: serviceKey},
		{Name: "lua", what: "Lua, a look-up", filters: []any{b.lua()}, cookie: serviceKey},
		{Name: "ext_authz", what: "ext_authz (HTTP)", filters: []any{b.extAuthz("check", "")}, cookie: serviceKey},
		{Name: "ext_authz_grpc", what: "ext_authz (gRPC)", filters: []any{b.extAuthzGRPC()}, cookie: serviceKey},
		{Name: "ext_authz_django", what: "ext_authz, a Django view", filters: []any{b.extAuthz("django", "/django/authz")}, cookie: serviceKey},
		ours("off", "ours, mode: off", serviceKey, map[string]any{"mode": "off"}),
		ours("lookup", "ours, a look-up", serviceKey, service(nil)),
		ours("lookup_plain", "ours, a look-up, responses: skip, no route_metadata", serviceKey, plain(service(nil))),
		ours("cached", "ours, cached", serviceKey, cached),
		ours("cached_plain", "ours, cached, responses: skip, no route_metadata", serviceKey, plain(cached)),
		mixed,
		ours("signed", "ours, signed cookie", signed, verified),
		ours("signed_plain", "ours, signed cookie, responses: skip, no route_metadata", signed, plain(verified)),
	}
}

// beside adds after each side of the filter the same side with another build; if other is "", it
// adds none.
func beside(all []side, wasm, other string) (sides []side) {
	for _, s := range all {
		sides = append(sides, s)
		if s.wasm == wasm && other != "" {
			s.Name, s.what, s.wasm = s.Name+"_other", s.what+" (--against)", other
			sides = append(sides, s)
		}
	}
	return sides
}

// HTTPFilters returns the side's filters, as Envoy's configuration.
func (s side) HTTPFilters() []any {
	if s.wasm == "" {
		return s.filters
	}
	return []any{map[string]any{
		"name": s.Name,
		"typed_config": map[string]any{
			"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
			"config": map[string]any{
				"name":           s.Name,
				"failure_policy": "FAIL_RELOAD",
				"vm_config":      map[string]any{"vm_id": s.Name, "runtime": "envoy.wasm.runtime.v8", "code": map[string]any{"local": map[string]any{"filename": s.wasm}}},
				"configuration":  map[string]any{"@type": "type.googleapis.com/google.protobuf.Struct", "value": s.config},
			},
		},
	}}
}

// extAuthzGRPC returns ext_authz with the bench's own check server.
func (b *bench) extAuthzGRPC() any {
	return map[string]any{
		"name": "ext_authz",
		"typed_config": map[string]any{
			"@type":                 "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
			"transport_api_version": "V3",
			"allowed_headers":       map[string]any{"patterns": []any{map[string]any{"exact": "cookie"}}},
			"grpc_service":          map[string]any{"envoy_grpc": map[string]any{"cluster_name": "check_grpc"}, "timeout": "5s"},
		},
	}
}

// extAuthz returns ext_authz with a server that uses the same store: the bench's own, or Django.
func (b *bench) extAuthz(cluster, prefix string) any {
	pattern := func(name string) any { return map[string]any{"exact": name} }
	return map[string]any{
		"name": "ext_authz",
		"typed_config": map[string]any{
			"@type":                 "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
			"transport_api_version": "V3",
			"http_service": map[string]any{
				"server_uri": map[string]any{"uri": "http://" + cluster, "cluster": cluster, "timeout": "5s"}, "path_prefix": prefix,
				"authorization_request": map[string]any{
					"allowed_headers": map[string]any{"patterns": []any{pattern("cookie")}},
				},
				"authorization_response": map[string]any{
					"allowed_upstream_headers": map[string]any{"patterns": []any{pattern("x-user-id"), pattern("x-session")}},
				},
			},
		},
	}
}

// lua returns a Lua filter that does a lookup as the filter does, as far as Lua supports it:
// without JSON.
func (b *bench) lua() any {
	script := fmt.Sprintf(`
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("x-user-id")
  headers:remove("x-session")
  local key = string.match(headers:get("cookie") or "", "sessionid=(%%w+)")
  if key == nil then
    handle:respond({[":status"] = "401"}, "")
    return
  end
  local answer, body = handle:httpCall("sessions", {
    [":method"] = "POST", [":path"] = "/v1/lookup", [":authority"] = "sessions",
    ["content-type"] = "application/json", ["authorization"] = "Bearer %s",
  }, '{"key":"' .. key .. '"}', 5000)
  local user = string.match(body or "", '"_auth_user_id":"(%%w+)"')
  if answer[":status"] ~= "200" or user == nil then
    handle:respond({[":status"] = "503"}, "")
    return
  end
  headers:add("x-user-id", user)
  headers:add("x-session", string.match(body, '"data":(%%b{})'))
end
function envoy_on_response(handle)
  handle:headers():add("vary", "Cookie")
end`, b.token)
	return map[string]any{
		"name": "lua",
		"typed_config": map[string]any{
			"@type":               "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
			"default_source_code": map[string]any{"inline_string": script},
		},
	}
}
