package config

import (
	"errors"
	"fmt"
	"strings"

	"cloakroom/session/rawjson"
)

// Config is a whole plugin configuration, parsed and validated.
type Config struct {
	env    func(string) (string, bool)
	base   Route
	routes map[string]*Route
	globs  []glob // the keys of routes with a "*", in the order in which they are tried
	policy policy
	strip  *Strip
	// attributes are the keys of the attributes that look-ups name, by the cluster.
	attributes map[string][]string
}

// Parse reads the plugin configuration: JSON, or the serialized
// google.protobuf.Struct that Envoy hands on where its configuration says
// that type. Strings of the form ${NAME} in secrets are taken from env. An
// error names the path of every field that is wrong.
func Parse(text string, env func(string) (string, bool)) (*Config, error) {
	tree, err := configTree(text)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c := &Config{env: env, base: defaultRoute(), routes: map[string]*Route{}, strip: &Strip{}, policy: defaultPolicy()}
	layers := map[string]any{}
	var more, attributes []string
	top := append(c.base.fields(env), general(layers, &c.policy, &more, &attributes)...)
	if err := top.read("", tree); err != nil {
		return nil, err
	}
	errs := []error{c.base.validate("")}
	for _, name := range more {
		if name = strings.ToLower(name); !isIdentityName(name) {
			errs = append(errs, fmt.Errorf("strip_headers: %q is no identity header's name", name))
		}
		c.strip.add(name)
	}
	for _, key := range attributes {
		if !IsAttribute(key) || !isAttributeName(key[len(AttributePrefix):]) {
			errs = append(errs, fmt.Errorf("user_attributes: %q names no attribute of a user, such as user.email", key))
		}
	}
	for _, name := range sortedKeys(layers) {
		route := c.base
		errs = append(errs, route.apply(join("routes", name), layers[name], env))
		route.Name = name
		c.routes[name] = &route
	}
	globs, err := globsOf(c.routes)
	c.globs = globs
	errs = append(errs, err, c.policy.validate(c.routes))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := c.wantAttributes(attributes); err != nil {
		return nil, err
	}
	if err := c.checkTokens(); err != nil {
		return nil, err
	}
	// A header that means something to one upstream is removed from the requests of all
	// clients: an upstream must be able to trust it.
	for _, route := range append(sortedRoutes(c.routes), &c.base) {
		for _, name := range route.Identity.HeaderNames() {
			c.strip.add(name)
		}
		route.strip = c.strip
	}
	return c, nil
}

func configTree(text string) (any, error) {
	tree, err := rawjson.Decode(text)
	if err == nil {
		return tree, nil
	}
	if fields, structErr := structTree([]byte(text), 0); structErr == nil && len(fields) > 0 {
		return fields, nil
	}
	return nil, err
}

// Schema is the JSON schema (draft 2020-12) of the plugin configuration.
func Schema() map[string]any {
	route := defaultRoute()
	fields := route.fields(nil)
	policy, more, attributes := defaultPolicy(), []string{}, []string{}
	s := append(fields, general(nil, &policy, &more, &attributes)...).schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Cloakroom filter configuration"
	routes := s["properties"].(map[string]any)["routes"].(map[string]any)
	routes["additionalProperties"] = fields.schema()
	return s
}

// Cached returns the session services whose answers are cached, one for each cluster.
func (c *Config) Cached() []*Service {
	return c.services(func(s *Service) bool { return s.Cache.TTL > 0 })
}

// Services returns the session services that are named, one for each cluster.
func (c *Config) Services() []*Service { return c.services(func(*Service) bool { return true }) }

func (c *Config) services(which func(*Service) bool) []*Service {
	var list []*Service
	seen := map[string]bool{}
	for _, r := range append([]*Route{&c.base}, sortedRoutes(c.routes)...) {
		if s := &r.Service; s.Cluster != "" && !seen[s.Cluster] && which(s) {
			seen[s.Cluster] = true
			list = append(list, s)
		}
	}
	return list
}

func sortedRoutes(routes map[string]*Route) []*Route {
	var list []*Route
	for _, name := range sortedKeys(routes) {
		list = append(list, routes[name])
	}
	return list
}

// Strip returns the request headers that no client may send, on any route.
func (c *Config) Strip() *Strip { return c.strip }

func (r *Route) apply(path string, layer any, env func(string) (string, bool)) error {
	if err := r.fields(env).read(path, layer); err != nil {
		return err
	}
	return r.validate(path)
}

// fields is the configuration's one table: what can be said, where it goes.
func (r *Route) fields(env func(string) (string, bool)) object {
	return object{
		{"mode", choice(&r.Mode, "required", "optional", "off"), "whether a request needs a live session; `off` checks none"},
		{"cookie", object{
			{"name", text(&r.Cookie.Name), "SESSION_COOKIE_NAME"},
			{"domain", text(&r.Cookie.Domain), "SESSION_COOKIE_DOMAIN; empty: this host only"},
			{"path", text(&r.Cookie.Path), "SESSION_COOKIE_PATH"},
			{"secure", boolean(&r.Cookie.Secure), "SESSION_COOKIE_SECURE"},
			{"http_only", boolean(&r.Cookie.HTTPOnly), "SESSION_COOKIE_HTTPONLY"},
			{"same_site", text(&r.Cookie.SameSite), "SESSION_COOKIE_SAMESITE: Lax, Strict, None, or empty"},
			{"partitioned", boolean(&r.Cookie.Partitioned), "the Partitioned attribute (CHIPS)"},
		}, "the session cookie"},
		{"engine", object{
			{"service", object{
				{"cluster", text(&r.Service.Cluster), "the Envoy cluster of the session service"},
				{"authority", text(&r.Service.Authority), "the :authority of callouts"},
				{"timeout", duration(&r.Service.Timeout), "how long a callout may take before it counts as not answered"},
				{"token", secret(&r.Service.Token, env), "the bearer token of callouts, the service's CLOAKROOM_TOKEN; `${NAME}` is replaced from the VM's environment"},
				{"cache", object{
					{"ttl", duration(&r.Service.Cache.TTL), "how long a cached session is used before it is looked up again; 0s: no cache"},
					{"negative_ttl", duration(&r.Service.Cache.NegativeTTL), "the same for a key that no session has"},
					{"stale", duration(&r.Service.Cache.Stale), "how old a cached session may be that is used during an outage, with `on_unavailable: stale`"},
					{"entries", count(&r.Service.Cache.Entries), "the number of sessions that each worker caches; a route cannot change it"},
					{"bytes", count(&r.Service.Cache.Bytes), "the memory of each worker's cache, in bytes; a route cannot change it"},
				}, "what is remembered of sessions"},
			}, "sessions are looked up in the session service"},
			{"signed_cookies", object{
				{"secret_key", secret(&r.Signed.SecretKey, env), "SECRET_KEY; `${NAME}` is replaced from the VM's environment"},
				{"secret_key_fallbacks", secrets(&r.Signed.Fallbacks, env), "SECRET_KEY_FALLBACKS; a `${NAME}` may hold several, separated by spaces"},
				{"revocable", boolean(&r.Signed.Revocable), "look up at `engine.service` whether a session was revoked, or its account refuses it"},
			}, "sessions are in their cookies, as Django's signed_cookies engine signs them"},
		}, "where sessions live"},
		{"expiry", object{
			{"age", duration(&r.Expiry.Policy.Age), "SESSION_COOKIE_AGE"},
			{"at_browser_close", boolean(&r.Expiry.Policy.AtBrowserClose), "SESSION_EXPIRE_AT_BROWSER_CLOSE"},
			{"save_every_request", boolean(&r.Expiry.SaveEveryRequest), "SESSION_SAVE_EVERY_REQUEST: each request moves the expiry"},
			{"refresh_every", duration(&r.Expiry.RefreshEvery), "the least time between two writes that move a session's expiry or note its use"},
			{"idle", duration(&r.Expiry.Idle), "end a session that was not used for this long; 0s: no limit"},
			{"absolute", duration(&r.Expiry.Absolute), "end a session this long after it began, however much it is used; a login by Django continues the visitor's session, one by `x-session-login` begins a new one; 0s: no limit"},
			{"cycle_every", duration(&r.Expiry.CycleEvery), "rotate a session's key when the key is this old; 0s: never"},
			{"cycle_grace", duration(&r.Expiry.CycleGrace), "how long the previous key is accepted after the first use of the new one; a later use ends the session"},
		}, "when sessions end"},
		{"login", object{
			{"url", text(&r.Login.URL), "LOGIN_URL"},
			{"next_param", text(&r.Login.NextParam), "the query parameter with the URL to return to"},
		}, "where a person without a session is sent"},
		{"logout", object{
			{"path", text(&r.Logout.Path), "a POST to this path ends the session; empty: no path does"},
			{"redirect", text(&r.Logout.Redirect), "LOGOUT_REDIRECT_URL"},
			{"trusted_origins", texts(&r.Logout.TrustedOrigins), `CSRF_TRUSTED_ORIGINS: origins besides the site's own from which the logout path is accepted, such as "https://www.example.com", "https://*.example.com"; "null" for browsers that hide the origin`},
		}, "the filter's own logout"},
		{"identity", object{
			{"user_key", text(&r.Identity.UserKey), "the session key without which a session has no user; empty: every session has one"},
			{"auth_backends", texts(&r.Identity.AuthBackends), "AUTHENTICATION_BACKENDS: a session that another backend logged in is anonymous; empty: all are accepted"},
			{"preset", choice(&r.Identity.Preset, presetNames...), "the identity headers that other software reads: those of oauth2-proxy, or `Remote-User` and its like; `cloakroom`: those of `identity.headers` alone"},
			{"headers", identityHeaders(&r.Identity.own), "request headers by name, and the session key whose value each carries, or `user.` and an attribute of the user: `groups`, `permissions`, or a column of the accounts' table, such as `user.email`; they come besides those of another preset, and replace one of the same name; empty: that header is not set"},
			{"filter_state", stateFields(&r.Identity.State), "what other filters and access logs of Envoy can use as `wasm.cloakroom.` and the name: `user`, `session` (its ID, which opens no session), and attributes of the user, such as `groups` and `email`"},
			{"data_header", text(&r.Identity.DataHeader), "the request header with the session's data; empty: none"},
			{"data_keys", texts(&r.Identity.DataKeys), `the session keys in it, by name; "*": all that do not begin with an underscore, whatever applications store there; attributes of the user where they are named; empty: the header is not sent`},
			{"data_max_bytes", count(&r.Identity.DataMaxBytes), "the size of its value, in bytes; keys beyond that are left out, the largest first, and named in a header of the same name with `-omitted`"},
			{"token", r.Identity.Token.fields(), "a signed token of the user, for upstreams to verify"},
		}, "what upstreams learn"},
		{"on_missing", choice(&r.OnMissing, "auto", "redirect", "deny"), "how a request without a session is refused"},
		{"on_unavailable", choice(&r.OnUnavailable, "deny", "allow", "stale"), "without a usable answer of the session service: 503, pass as anonymous, or use a cached session up to `cache.stale` old"},
		{"forward_cookie", boolean(&r.ForwardCookie), "whether the upstream gets the session cookie"},
		{"end_streams", boolean(&r.EndStreams), "close open streams (WebSocket, server-sent events, gRPC) when their session ends"},
		{"end_streams_after", duration(&r.EndStreamsAfter), "with `end_streams`: close open streams, too, when the session service has not answered for this long, at least 5s; 0s: an outage closes none"},
		{"accept_updates", boolean(&r.AcceptUpdates), "whether the upstream may change the session by `x-session-*` response headers"},
		{"responses", choice(&r.Responses, "process", "skip"), "with `skip` response headers are not processed, as in ext_authz: no `Vary: Cookie`, and the upstream's session cookie and `x-session-*` have no effect"},
		{"require", requirements(&r.Require), "session keys, or attributes of the user, and the values they must have, else 403: a string, a number, a boolean, and of a list `{\"any\": […]}` or `{\"all\": […]}`; with `mode: required` only"},
	}
}

// general returns the fields of the general configuration alone.
func general(routes map[string]any, policy *policy, more, attributes *[]string) []field {
	return []field{
		{"strip_headers", texts(more), "request headers that are removed from clients' requests on every route, besides those that this configuration sets; needed for those that a route's metadata sets"},
		{"user_attributes", texts(attributes), "attributes of users (`user.email`) that look-ups name besides those that this configuration names; needed for those that only a route's metadata names"},
		{"route_metadata", routeMetadata{policy}, "whether routes may carry configuration in their metadata, and what; `false` saves each request a host call, and ignores it"},
		{"route_names", choice(&policy.names, "envoy", "namespaced"), "what the keys under `routes` are: Envoy's names of routes, which any route can have, or names with the resource that a control plane made the route of"},
		{"routes", byName(routes), "by route name, or by a pattern with `*`: the same fields, which replace the above on that route"},
	}
}

// byName reads objects by name without a look inside.
func byName(into map[string]any) spec {
	return reader{map[string]any{"type": "object"}, func(v any) string {
		members, ok := v.(map[string]any)
		if !ok {
			return "an object by route name"
		}
		for name, layer := range members {
			into[name] = layer
		}
		return ""
	}}
}

// secret reads a string, or takes it from the environment where it has the
// form ${NAME}.
func secret(into *string, env func(string) (string, bool)) spec {
	return reader{map[string]any{"type": "string", "default": ""}, func(v any) (want string) {
		s, ok := v.(string)
		if !ok {
			return "a string"
		}
		if s, want = resolve(s, env); want == "" {
			*into = s
		}
		return want
	}}
}

// secrets reads a list of strings; what comes from the environment is split at
// spaces.
func secrets(into *[]string, env func(string) (string, bool)) spec {
	json := map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "default": []string{}}
	return reader{json, func(v any) string {
		list, ok := v.([]any)
		if !ok {
			return "a list of strings"
		}
		var out []string
		for _, item := range list {
			s, ok := item.(string)
			if !ok {
				return "a list of strings"
			}
			resolved, want := resolve(s, env)
			switch {
			case want != "":
				return want
			case resolved == s:
				out = append(out, s)
			default:
				out = append(out, strings.Fields(resolved)...)
			}
		}
		*into = out
		return ""
	}}
}

// resolve takes text of the form ${NAME} from the environment; want says what
// is missing there.
func resolve(text string, env func(string) (string, bool)) (resolved, want string) {
	name, isRef := strings.CutPrefix(text, "${")
	if !isRef || !strings.HasSuffix(name, "}") {
		return text, ""
	}
	name = strings.TrimSuffix(name, "}")
	value, ok := env(name)
	if !ok || value == "" {
		return "", fmt.Sprintf("set in the VM's environment as %s (Envoy: vm_config.environment_variables)", name)
	}
	return value, ""
}

func identityHeaders(into *[]IdentityHeader) spec {
	defaults := map[string]any{}
	for _, h := range presets[Cloakroom] {
		defaults[h.Name] = h.Key
	}
	json := map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}, "default": defaults}
	return reader{json, func(v any) string {
		members, ok := v.(map[string]any)
		headers := make([]IdentityHeader, 0, len(members))
		for _, name := range sortedKeys(members) {
			key, isText := members[name].(string)
			ok = ok && isText
			headers = append(headers, IdentityHeader{Name: strings.ToLower(name), Key: key})
		}
		if !ok {
			return "an object of header names and session keys"
		}
		*into = headers
		return ""
	}}
}

func requirements(into *[]Requirement) spec {
	return reader{map[string]any{"type": "object", "default": map[string]any{}}, func(v any) string {
		members, ok := v.(map[string]any)
		list := make([]Requirement, 0, len(members))
		for _, key := range sortedKeys(members) {
			value := members[key]
			switch of := value.(type) {
			case string, float64, bool:
			case map[string]any:
				value, ok = listRequirement(of, ok)
			default:
				ok = false
			}
			list = append(list, Requirement{key, value})
		}
		if !ok {
			return `an object of session keys and strings, numbers, booleans, or {"any": […]} or {"all": […]} with strings`
		}
		*into = list
		return ""
	}}
}
