package config

import (
	"slices"
	"strings"
	"testing"
)

// TestPresets holds what a route's headers are by the presets and headers of both layers, and that
// the headers of all presets in use are removed on each route, those that are not set included.
func TestPresets(t *testing.T) {
	for name, tt := range map[string]struct{ top, route, want string }{
		"nothing":                          {`{}`, `{}`, "x-user-id=_auth_user_id"},
		"headers":                          {`{"headers":{"X-A":"a"}}`, `{}`, "x-a=a"},
		"no headers":                       {`{"headers":{}}`, `{}`, ""},
		"headers of the route":             {`{"headers":{"x-a":"a"}}`, `{"headers":{"x-b":"b"}}`, "x-b=b"},
		"a preset":                         {`{"preset":"remote-user"}`, `{}`, "remote-user=user.username remote-name=user.first_name+user.last_name remote-email=user.email remote-groups=user.groups"},
		"headers besides a preset":         {`{"preset":"remote-user","headers":{"remote-name":"","Remote-User":"user.email","x-a":"a"}}`, `{}`, "remote-email=user.email remote-groups=user.groups remote-user=user.email x-a=a"},
		"the route's headers and a preset": {`{"preset":"remote-user"}`, `{"headers":{"remote-name":"","remote-email":"","remote-groups":"","x-a":"a"}}`, "remote-user=user.username x-a=a"},
		"the route's preset and headers":   {`{"headers":{"remote-name":"","x-a":"a"}}`, `{"preset":"remote-user"}`, "remote-user=user.username remote-email=user.email remote-groups=user.groups x-a=a"},
		"the route's own preset":           {`{"preset":"oauth2-proxy"}`, `{"preset":"cloakroom"}`, "x-user-id=_auth_user_id"},
	} {
		c, err := Parse(`{"engine":{"service":{"cluster":"s"}},"identity":`+tt.top+`,"routes":{"a":{"identity":`+tt.route+`},"off":{"mode":"off"}}}`, noEnv)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, h := range c.Named("a").Identity.Headers {
			key := h.Key
			if h.Second != "" {
				key += "+" + h.Second
			}
			got = append(got, h.Name+"="+key)
			if !c.Named("off").Strip().Has(strings.ReplaceAll(h.Name, "-", "_")) {
				t.Errorf("%s: %s passes on another route", name, h.Name)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s: got %s, want %s", name, text, tt.want)
		}
		if strings.Contains(tt.top+tt.route, "remote-user") && !c.Named("off").Strip().Has("Remote_Name") {
			t.Errorf("%s: remote_name passes", name)
		}
		if !strings.Contains(tt.top+tt.route, "oauth2-proxy") && c.Named("a").Strip().Has("x-forwarded-user") {
			t.Errorf("%s: x-forwarded-user is removed, and no route has it", name)
		}
	}
}

// TestFilterState holds which names and keys the words of filter_state have, and what is refused.
func TestFilterState(t *testing.T) {
	c, err := Parse(`{"engine":{"service":{"cluster":"s"}},"identity":{"filter_state":["user","session","groups","tenant_id","user"]}}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Named("")
	want := []StateField{{"cloakroom.user", "_auth_user_id"}, {"cloakroom.session", ""}, {"cloakroom.groups", "user.groups"}, {"cloakroom.tenant_id", "user.tenant_id"}}
	if !slices.Equal(r.Identity.State, want) {
		t.Errorf("the filter state is %v, want %v", r.Identity.State, want)
	}
	if got := r.Attributes(); !slices.Equal(got, []string{"user.groups", "user.tenant_id"}) {
		t.Errorf("the look-ups name %q", got)
	}
	for _, word := range []string{`"user.email"`, `""`, `"a-b"`, `"password"`, `"Password"`, `1`, `"a\u0000b"`} {
		if _, err := Parse(`{"engine":{"service":{"cluster":"s"}},"identity":{"filter_state":[`+word+`]}}`, noEnv); err == nil || !strings.Contains(err.Error(), "identity.filter_state: must be a list of") {
			t.Errorf("%s: error %v", word, err)
		}
	}
}
