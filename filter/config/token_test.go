package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestTokenRefused holds that what a route cannot have as its token is refused by name.
func TestTokenRefused(t *testing.T) {
	token := func(fields string) string {
		return `"identity":{"token":{"header":"authorization","audience":"a",` + fields + `}}`
	}
	many := make([]string, 33)
	for i := range many {
		many[i] = fmt.Sprintf(`"user.a%d"`, i)
	}
	var routes []string
	for i := range maxTokens + 1 {
		routes = append(routes, fmt.Sprintf(`"r%d":{"identity":{"token":{"header":"x-t","audience":"a%d"}}}`, i, i))
	}
	for _, tt := range []struct{ fields, want string }{
		{token(`"claims":[]`), ""},
		{token(`"claims":["user.email","user.Tenant_id"]`), ""},
		{`"identity":{"token":{"audience":"","ttl":"0s","claims":["x"]}}`, ""}, // there is none
		{`"identity":{"token":{"header":"authorization"}}`, "identity.token.audience: must have 1 to 255 bytes"},
		{`"identity":{"token":{"header":"authorization","audience":"` + strings.Repeat("a", 256) + `"}}`, "identity.token.audience"},
		{`"identity":{"token":{"header":"cookie","audience":"a"}}`, `identity.token.header: "cookie" cannot carry a token`},
		{`"identity":{"token":{"header":"x_token","audience":"a"}}`, `identity.token.header: "x_token" cannot`},
		{`"identity":{"token":{"header":"x-user-id","audience":"a"}}`, `identity.token.header: "x-user-id" is another identity header already`},
		{`"identity":{"token":{"header":"x-session-omitted","audience":"a"}}`, `identity.token.header: "x-session-omitted" is another`},
		{`"identity":{"headers":{"authorization":"_auth_user_id"},"token":{"header":"authorization","audience":"a"}}`, `identity.token.header: "authorization" is another`},
		{token(`"ttl":"9s"`), "identity.token.ttl: must be from 10s to 1h0m0s"},
		{token(`"ttl":"61m"`), "identity.token.ttl: must be from"},
		{token(`"claims":["email"]`), `identity.token.claims: "email" names no attribute`},
		{token(`"claims":["user.password"]`), `identity.token.claims: "user.password" names no attribute`},
		{token(`"claims":["user.sub"]`), "would set the claim sub a second time"},
		{token(`"claims":["user.exp"]`), "would set the claim exp a second time"},
		{token(`"claims":["user.email","user.email"]`), "would set the claim email a second time"},
		{token(`"claims":["user.username","user.preferred_username"]`), "would set the claim preferred_username a second time"},
		{token(`"claims":[` + strings.Join(many, ",") + `]`), "identity.token.claims: with what look-ups name besides, 33 attributes"},
		{`"identity":{"user_key":"member","token":{"header":"authorization","audience":"a"}}`, "identity.token: needs identity.user_key: _auth_user_id"},
		{`"identity":{"user_key":"","token":{"header":"authorization","audience":"a"}}`, "identity.token: needs identity.user_key"},
		{token(`"ttl":"5m"`) + `,"expiry":{"idle":"5m","refresh_every":"1m"}`, "identity.token.ttl: must be 4m0s at most"},
		{token(`"ttl":"4m"`) + `,"expiry":{"idle":"5m","refresh_every":"1m"}`, ""},
		{`"routes":{` + strings.Join(routes, ",") + `}`, "want more than 8 different tokens"},
		{`"routes":{` + strings.Join(routes[1:], ",") + `}`, ""},
		{token(`"x":1`), "identity.token.x: unknown field"},
	} {
		_, err := Parse(`{"engine":{"service":{"cluster":"s"}},`+tt.fields+`}`, noEnv)
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.200s: the error is %v, want %q", tt.fields, err, tt.want)
		}
	}
	const signed = `{"engine":{"signed_cookies":{"secret_key":"s"}},"identity":{"token":{"header":"authorization","audience":"a"}}}`
	if _, err := Parse(signed, noEnv); err == nil || !strings.Contains(err.Error(), "engine.signed_cookies: identity.token is signed by the session service: set revocable: true") {
		t.Errorf("signed cookies that are not revocable: %v", err)
	}
}

// TestTokenWanted holds what look-ups ask for, and which header is removed where.
func TestTokenWanted(t *testing.T) {
	c, err := Parse(`{"engine":{"service":{"cluster":"s"}},"expiry":{"absolute":"8h"},"route_metadata":{"allow":["identity"]},"routes":{
		"a":{"identity":{"token":{"header":"Authorization","audience":"a \"1\"","ttl":"90s","claims":["user.groups","user.email"]}}},
		"x":{"identity":{"token":{"header":"X-User-Token","audience":"x"}}}}}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"":  ``,
		"a": `,"token":{"audience":"a \"1\"","ttl":90,"claims":["email","groups"],"absolute":28800}`,
		"x": `,"token":{"audience":"x","ttl":60,"absolute":28800}`,
	} {
		if got := c.Named(name).Identity.Token.Wanted(); got != want {
			t.Errorf("route %q: %s, want %s", name, got, want)
		}
		if got := c.Named(name).StripsAuthorization(); got != (name == "a") {
			t.Errorf("route %q removes Authorization: %v", name, got)
		}
	}
	if strip := c.Strip(); !strip.Has("x_user_token") || strip.Has("authorization") {
		t.Error("the header of one route is not removed on all, or Authorization is")
	}
	for fields, want := range map[string]string{
		`{"header":"x-user-token","audience":"y"}`:      "",
		`{"header":"authorization","audience":"y"}`:     "",
		`{"header":"x-other-token","audience":"y"}`:     `"x-other-token" is not removed from clients' requests on the other routes`,
		`{"header":"authorization","audience":""}`:      "identity.token.audience",
		`{"header":"authorization","audience":1}`:       "identity.token.audience: must be a string",
		`{"header":"x-user-token","claims":["user.a"]}`: "identity.token.audience",
	} {
		tree, err := configTree(`{"identity":{"token":` + fields + `}}`)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ResolveMetadata("m", Metadata{Fields: tree.(map[string]any)}); (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("metadata %s: the error is %v, want %q", fields, err, want)
		}
	}
}
