package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const minimal = `{"engine":{"service":{"cluster":"sessions"}}}`

// TestParseRefuses holds that every mistake is refused with its path.
func TestParseRefuses(t *testing.T) {
	with := func(fields string) string { return `{"engine":{"service":{"cluster":"sessions"}},` + fields + `}` }
	tests := []struct{ name, text, want string }{
		{"nothing", ``, "configuration: not JSON"},
		{"not an object", `[]`, "configuration: must be an object, not a list"},
		{"no service", `{}`, "engine: must have service.cluster"},
		{"unknown field", with(`"mdoe":"off"`), "mdoe: unknown field; known here: mode, cookie"},
		{"unknown nested field", with(`"cookie":{"nmae":"x"}`), "cookie.nmae: unknown field; known here: name, domain"},
		{"unknown field of a route", with(`"routes":{"a":{"mode":"off","x":1}}`), "routes.a.x: unknown field"},
		{"routes within a route", with(`"routes":{"a":{"routes":{}}}`), "routes.a.routes: unknown field"},
		{"a field twice", with(`"mode":"off","mode":"required"`), "a name stands twice"},
		{"mode", with(`"mode":"of"`), "mode: must be one of required, optional, off, not this string"},
		{"mode on", with(`"mode":true`), "mode: must be one of required, optional, off, not true"},
		{"false where off is no choice", with(`"on_unavailable":false`), "on_unavailable: must be one of deny, allow, stale, not false"},
		{"an origin with a path", with(`"logout":{"trusted_origins":["https://a.test/x"]}`), `logout.trusted_origins: "https://a.test/x" is no origin`},
		{"on_unavailable", with(`"on_unavailable":"pass"`), "on_unavailable: must be one of deny, allow, stale"},
		{"a number for a string", with(`"cookie":{"name":1}`), "cookie.name: must be a string, not the number 1"},
		{"null", with(`"cookie":null`), "cookie: must be an object, not nothing"},
		{"cookie name", with(`"cookie":{"name":"a b"}`), `cookie: name "a b" is not a cookie name`},
		{"SameSite None without Secure", with(`"cookie":{"same_site":"None","secure":false}`), "cookie: same_site: None needs secure: true"},
		{"__Host- with a domain", with(`"cookie":{"name":"__Host-a","domain":"x.test"}`), "cookie: a __Host- name needs"},
		{"cookie injection", with(`"cookie":{"path":"/; Domain=x"}`), "cookie: path"},
		{"duration without unit", with(`"expiry":{"age":"60"}`), "expiry.age: must be a duration"},
		{"duration as a number", with(`"expiry":{"age":60}`), "expiry.age: must be a duration"},
		{"negative duration", with(`"expiry":{"refresh_every":"-1s"}`), "expiry.refresh_every: must be a duration"},
		{"no timeout", `{"engine":{"service":{"cluster":"s","timeout":"0s"}}}`, "engine.service.timeout: must be more than 0"},
		{"login elsewhere by two slashes", with(`"login":{"url":"//evil.example/"}`), "login.url: must begin with one slash"},
		{"login with a line break", with(`"login":{"url":"/a\r\nb"}`), "login.url"},
		{"logout redirect elsewhere", with(`"logout":{"redirect":"/\\evil.example"}`), "logout.redirect"},
		{"logout with a query", with(`"logout":{"path":"/out?x"}`), "logout.path"},
		{"identity in a header of HTTP", with(`"identity":{"headers":{"Host":"a"}}`), `identity: "host" cannot be an identity header`},
		{"identity with an underscore", with(`"identity":{"headers":{"x_user":"a"}}`), `identity: "x_user" cannot be`},
		{"identity in a pseudo header", with(`"identity":{"data_header":":path"}`), `identity: ":path" cannot be`},
		{"a key that is no string", with(`"identity":{"headers":{"x-a":1}}`), "identity.headers: must be an object of header names"},
		{"data_keys", with(`"identity":{"data_keys":["a",1]}`), "identity.data_keys: must be a list of strings"},
		{"data_max_bytes", with(`"identity":{"data_max_bytes":1.5}`), "identity.data_max_bytes: must be a whole number"},
		{"an attribute that is none", with(`"identity":{"headers":{"x-a":"user."}}`), `identity: "user." names no attribute of a user`},
		{"the password's hash", with(`"identity":{"data_keys":["user.PassWord"]}`), `identity: "user.PassWord" names no attribute`},
		{"an attribute with a quote", with(`"require":{"user.a\"b":true}`), `names no attribute of a user`},
		{"an attribute that is long", with(`"require":{"user.` + strings.Repeat("a", 64) + `":true}`), "names no attribute of a user"},
		{"too many attributes", with(`"identity":{"data_keys":[` + strings.TrimSuffix(strings.Repeat(`"user.A",`, 33), ",") + `]}`), "identity: 33 attributes of users are named, 32 at most"},
		{"an attribute to be declared that is none", with(`"user_attributes":["email"]`), `user_attributes: "email" names no attribute`},
		{"an attribute as user_key", with(`"identity":{"user_key":"user.id"}`), "identity.user_key: \"user.id\" is an attribute"},
		{"groups as a string", with(`"require":{"user.groups":"editors"}`), "require: user.groups is a list"},
		{"require any of nothing", with(`"require":{"user.groups":{"any":[]}}`), "require: must be an object of session keys"},
		{"require any and all", with(`"require":{"user.groups":{"any":["a"],"all":["b"]}}`), "require: must be an object of session keys"},
		{"require some", with(`"require":{"user.groups":{"some":["a"]}}`), "require: must be an object of session keys"},
		{"require all of numbers", with(`"require":{"user.groups":{"all":[1]}}`), "require: must be an object of session keys"},
		{"attributes with signed cookies", `{"engine":{"signed_cookies":{"secret_key":"s"}},"require":{"user.is_staff":true}}`, "engine.signed_cookies: user.is_staff is read from the accounts by the session service: set revocable: true"},
		{"require an object", with(`"require":{"a":{}}`), "require: must be an object of session keys"},
		{"require where nothing is required", with(`"mode":"optional","require":{"a":true}`), "require: holds with mode: required only"},
		{"responses skipped that set the cookie", with(`"responses":"skip","expiry":{"save_every_request":true}`), "responses: skip is not for"},
		{"responses skipped that say what to store", with(`"responses":"skip","accept_updates":true`), "responses: skip is not for"},
		{"revocable without a service", `{"engine":{"signed_cookies":{"secret_key":"s","revocable":true}}}`, "engine.signed_cookies.revocable: needs secret_key, and engine.service.cluster"},
		{"revocable without signed cookies", `{"engine":{"service":{"cluster":"s"},"signed_cookies":{"revocable":true}}}`, "engine.signed_cookies.revocable: needs secret_key"},
		{"two engines", `{"engine":{"service":{"cluster":"s"},"signed_cookies":{"secret_key":"s"}}}`, "engine: has both"},
		{"route_metadata in a route", `{"engine":{"service":{"cluster":"s"}},"routes":{"a":{"route_metadata":false}}}`, "routes.a.route_metadata: unknown field"},
		{"a secret that is not there", `{"engine":{"service":{"cluster":"s","token":"${NONE}"}}}`, "engine.service.token: must be set in the VM's environment as NONE"},
	}
	for i := range tests { // 33 distinct names
		for n := 0; strings.Contains(tests[i].text, `"user.A"`); n++ {
			tests[i].text = strings.Replace(tests[i].text, `"user.A"`, fmt.Sprintf(`"user.a%d"`, n), 1)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.text, noEnv)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	_, err := Parse(`{"mode":1,"cookie":{"secure":"yes"},"nope":1}`, noEnv)
	for _, want := range []string{"mode:", "cookie.secure:", "nope:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

func TestParseDoesNotShowSecrets(t *testing.T) {
	_, err := Parse(`{"mode":"hunter2","engine":{"service":{"token":"hunter2","timeout":"hunter2"}}}`, noEnv)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v, want one without the values", err)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse(minimal, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Named("any")
	if r.Mode != Required || r.OnUnavailable != UnavailableDeny || !r.Cookie.Secure || !r.Cookie.HTTPOnly ||
		r.Cookie.SameSite != "Lax" || r.Expiry.Policy.Age != 14*24*time.Hour || r.Service.Timeout != 500*time.Millisecond {
		t.Errorf("the defaults are %+v", *r)
	}
}

func TestRouteLayers(t *testing.T) {
	env := func(name string) (string, bool) { return "secret of " + name, true }
	c, err := Parse(`{"engine":{"service":{"cluster":"sessions","token":"${TOKEN}"}},
		"cookie":{"name":"s","secure":false},"routes":{"a":{"cookie":{"domain":"x.test"},"mode":"off"}}}`, env)
	if err != nil {
		t.Fatal(err)
	}
	a, other := c.Named("a"), c.Named("b")
	if a.Mode != ModeOff || a.Cookie.Name != "s" || a.Cookie.Domain != "x.test" || a.Cookie.Secure {
		t.Errorf("route a has mode %v and cookie %+v", a.Mode, a.Cookie)
	}
	if other.Mode != Required || other.Cookie.Domain != "" {
		t.Errorf("another route has mode %v and cookie %+v", other.Mode, other.Cookie)
	}
	if got := other.Service.Token; got != "secret of TOKEN" {
		t.Errorf("token %q", got)
	}
}

// TestStripHeaders: what routes set, by name or by metadata, is removed on all of them; a
// header that a route's metadata sets alone is an error.
func TestStripHeaders(t *testing.T) {
	c, err := Parse(`{"engine":{"service":{"cluster":"s"}},"strip_headers":["X-Tenant"],"route_metadata":{"allow":["identity"]},
		"routes":{"a":{"identity":{"headers":{"x-plan":"plan"}}}}}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	tenant := map[string]any{"identity": map[string]any{"headers": map[string]any{"x-tenant": "tenant"}}}
	byMetadata, err := c.ResolveMetadata("b", Metadata{Fields: tenant})
	if err != nil {
		t.Fatal(err)
	}
	for name, route := range map[string]*Route{"a": c.Named("a"), "b": byMetadata.Route, "other": c.Named("other")} {
		var got []string
		for _, header := range []string{":method", ":path", "x-tenant", "X_Plan", "x-user.id", "x-session", "x-other", ""} {
			if route.Strip().Has(header) {
				got = append(got, header)
			}
		}
		if want := []string{"x-tenant", "X_Plan", "x-user.id", "x-session"}; !slices.Equal(got, want) {
			t.Errorf("%s: removes %q, want %q", name, got, want)
		}
	}
	tenant["identity"] = map[string]any{"data_header": "x-data"}
	if r, err := c.ResolveMetadata("b", Metadata{Fields: tenant}); r.Route != nil || err == nil || !strings.Contains(err.Error(), "strip_headers") {
		t.Errorf("metadata with a header that is not declared: %v, want an error that names strip_headers", err)
	}
	if _, err := Parse(`{"engine":{"service":{"cluster":"s"}},"strip_headers":["cookie"]}`, noEnv); err == nil {
		t.Error("strip_headers takes cookie")
	}
}

// TestAttributes holds that look-ups name what the routes of their service name, and no more.
func TestAttributes(t *testing.T) {
	c, err := Parse(`{"engine":{"service":{"cluster":"s"}},"user_attributes":["user.tenant_id"],
		"identity":{"headers":{"x-name":"user.username"},"data_keys":["*","user.groups"]},
		"routes":{"a":{"require":{"user.is_staff":true}},"b":{"engine":{"service":{"cluster":"other"}},"identity":{"headers":{},"data_keys":[]}}}}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	const all = `,"attributes":["groups","is_staff","tenant_id","username"]`
	for name, want := range map[string]string{"": all, "a": all, "b": `,"attributes":["tenant_id"]`} {
		if got := c.Named(name).Service.Wanted(); got != want {
			t.Errorf("the look-ups of route %q name %s, want %s", name, got, want)
		}
	}
	if got := c.Named("a").Attributes(); !slices.Equal(got, []string{"user.groups", "user.is_staff", "user.username"}) {
		t.Errorf("route a names %q", got)
	}
	requires := func(key string) map[string]any { return map[string]any{"require": map[string]any{key: "1"}} }
	r, err := c.ResolveMetadata("m", Metadata{Fields: requires("user.tenant_id")})
	if err != nil || r.Route.Service.Wanted() != all {
		t.Errorf("a route with metadata has %v, %v", r, err)
	}
	if _, err := c.ResolveMetadata("m", Metadata{Fields: requires("user.email")}); err == nil || !strings.Contains(err.Error(), "name it under user_attributes") {
		t.Errorf("an attribute that is not declared: %v", err)
	}
	if _, err := c.ResolveMetadata("b", Metadata{Fields: requires("user.is_staff")}); err == nil || !strings.Contains(err.Error(), `look-ups at the cluster "other"`) {
		t.Errorf("an attribute that another service's look-ups name: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	f.Add(`{"mode":"off","routes":{"a":{"require":{"x":true}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text, noEnv)
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v", text, c, err)
		}
		if c != nil && c.base.Mode != ModeOff && c.base.Service.Cluster == "" {
			t.Fatalf("Parse(%q) takes a configuration that asks nobody", text)
		}
	})
}
