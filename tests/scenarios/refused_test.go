package scenarios

import (
	"errors"
	"strings"
	"testing"

	"cloakroom/filter/config"
	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// refused are configurations that must not load, and what the log must contain for each. Package
// filter has a longer table; these check that an error gets through the plugin and the hosts.
// Those with envoy set run in real Envoys as well, at a second each.
var refused = []struct {
	name, text, want string
	envoy            bool
}{
	{"no JSON", `{"mode":`, "configuration: not JSON", false},
	{"nothing", ``, "configuration: not JSON", false},
	{"a list", `["off"]`, "configuration: must be an object, not a list", false},
	{"no session service", `{"mode":"required"}`, "engine: must have service.cluster, the Envoy cluster", true},
	{"a misspelt field", `{"mode":"off","cookie":{"nmae":"sid"}}`, "cookie.nmae: unknown field; known here: name, domain", true},
	{"a misspelt field of a route", `{"mode":"off","routes":{"api":{"mdoe":"off"}}}`, "routes.api.mdoe: unknown field", false},
	{"a mode that is none", `{"mode":true}`, "mode: must be one of required, optional, off, not true", false},
	{"a number for a duration", `{"mode":"off","expiry":{"age":1209600}}`, `expiry.age: must be a duration such as "500ms"`, false},
	{"a cookie that browsers drop", `{"mode":"off","cookie":{"same_site":"None","secure":false}}`, "cookie: same_site: None needs secure: true", false},
	{"a login page elsewhere", `{"mode":"off","login":{"url":"//elsewhere.example/"}}`, "login.url: must begin with one slash", false},
	{"identity in a header of HTTP", `{"mode":"off","identity":{"headers":{"cookie":"a"}}}`, `identity: "cookie" cannot be an identity header`, false},
	{"a secret that is not set", `{"mode":"off","engine":{"service":{"token":"${CLOAKROOM_NOT_SET}"}}}`, "engine.service.token: must be set in the VM's environment as CLOAKROOM_NOT_SET", true},
}

func TestRefusedByCore(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse(tt.text, func(string) (string, bool) { return "", false })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestRefusedByHostsim(t *testing.T) {
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := hostsim.New(t.Context(), hostsim.Config{Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(tt.text), Name: "cloakroom"}}})
			if !errors.Is(err, hostsim.ErrConfigure) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrConfigure with %q", err, tt.want)
			}
		})
	}
}

func TestRefusedByEnvoy(t *testing.T) {
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		for _, tt := range refused {
			if !tt.envoy {
				continue
			}
			t.Run(version+"/"+tt.name, func(t *testing.T) {
				ports, err := testenv.FreePorts(4)
				if err != nil {
					t.Fatal(err)
				}
				envoy, err := startEnvoy(t, version, ports[0], []listener{{
					Port: ports[1], Service: ports[2], Upstream: ports[3], Config: tt.text, Routes: []route{{Name: "all", Prefix: "/"}},
				}})
				if err == nil {
					envoy.Stop()
					t.Fatal("Envoy started")
				}
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q in it", err, tt.want)
				}
			})
		}
	}
}
