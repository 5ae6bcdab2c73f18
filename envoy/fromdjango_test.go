package envoy_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cloakroom/cmd/cloakroom/fromdjango"
	"cloakroom/filter/config"
	"cloakroom/internal/testenv"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// proxy has ports and names as the samples have them.
var proxy = fromdjango.Proxy{
	Address: "127.0.0.1", Port: 10000, AdminPort: 9901, App: "127.0.0.1:8000", Service: "127.0.0.1:8081", Wasm: "build/cloakroom.wasm",
	Site: "site.example.com", Namespace: "istio-ingress", Image: "registry.example.com/cloakroom/filter@sha256:" + strings.Repeat("0", 64),
}

// inIstio is proxy with the names of services.
func inIstio() fromdjango.Proxy {
	p := proxy
	p.App, p.Service = "app.default.svc.cluster.local:8000", "sessions.default.svc.cluster.local:8081"
	return p
}

// The engines of the projects.
const (
	stored = "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '/srv/db'}}\n"
	signed = "SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'\nSECRET_KEY_FALLBACKS = ['older', 'oldest']\n"
)

// translated is a project with a login page, pages for a forgotten password, assets and languages.
func translated(t *testing.T, engine string) *fromdjango.Result {
	t.Helper()
	python, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"conf.py": `SECRET_KEY = 'k'
ROOT_URLCONF = 'urls'
INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions']
LOGIN_URL = 'login'
LOGOUT_REDIRECT_URL = '/"quoted"?a=b&c'
LANGUAGES = [('en', 'English'), ('de', 'German')]
LANGUAGE_CODE = 'en'
STATIC_URL = 'static/'
MEDIA_URL = 'media/'
SESSION_SAVE_EVERY_REQUEST = True
` + engine,
		"urls.py": `from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path
urlpatterns = [path('accounts/', include('django.contrib.auth.urls'))] + i18n_patterns(path('in/', lambda r: None, name='login'))
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	result, err := fromdjango.Translate(t.Context(), fromdjango.Options{Python: python, Project: dir, Module: "conf", Public: []string{"/", "/docs/*"}})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// modes are those of the project's routes.
var modes = map[string]config.Mode{
	"login": config.Optional, "password-reset": config.Optional, "password-reset-done": config.Optional, "password-reset-confirm": config.Optional,
	"password-reset-complete": config.Optional, "public": config.Optional, "public-2": config.Optional, "static": config.ModeOff, "media": config.Optional,
	"app": config.Required, "streams": config.Required,
}

func readTree(t *testing.T, text string) (tree map[string]any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return tree
}

// take removes every field of a name from a tree, and returns the last one's value.
func take(tree any, name string) (taken any) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, child := range tree {
			if key == name {
				taken = child
				delete(tree, key)
			} else if v := take(child, name); v != nil {
				taken = v
			}
		}
	case []any:
		for _, child := range tree {
			if v := take(child, name); v != nil {
				taken = v
			}
		}
	}
	return taken
}

// TestBootstrapFromDjango compares with what is expected, and with bootstrap.yaml, and loads it.
func TestBootstrapFromDjango(t *testing.T) {
	for _, c := range []struct{ name, engine, golden string }{{"stored", stored, "fromdjango-stored.yaml"}, {"signed", signed, "fromdjango-signed.yaml"}} {
		t.Run(c.name, func(t *testing.T) {
			text, err := translated(t, c.engine).Bootstrap(proxy)
			if err != nil {
				t.Fatal(err)
			}
			got := readTree(t, text)
			configuration := take(got, "configuration").(map[string]any)["value"]
			parsed, err := config.Parse(string(toJSON(t, configuration)), func(name string) (string, bool) { return "of " + name, true })
			if err != nil {
				t.Fatal(err)
			}
			for name, mode := range modes {
				if got := parsed.Named(name).Mode; got != mode {
					t.Errorf("route %s: mode %v, want %v", name, got, mode)
				}
			}
			routes := take(got, "routes")
			expected, err := os.ReadFile(filepath.Join("testdata", c.golden))
			if err != nil {
				t.Fatal(err)
			}
			if want := readTree(t, string(expected)); !reflect.DeepEqual(map[string]any{"configuration": configuration, "routes": routes}, want) {
				t.Errorf("got\n%s%s\nwant\n%s", toYAML(t, configuration), toYAML(t, routes), expected)
			}
			sample, err := os.ReadFile("bootstrap.yaml")
			if err != nil {
				t.Fatal(err)
			}
			likeSample(t, got, readTree(t, string(sample)), c.engine == signed)
			for _, version := range versions {
				if err := startText(t, version, text); err != nil {
					t.Errorf("Envoy %s: %v", version, err)
				}
			}
		})
	}
}

// TestManyLanguages loads the routes of all of Django's languages.
func TestManyLanguages(t *testing.T) {
	text, err := translated(t, stored+"del LANGUAGES\n").Bootstrap(proxy)
	if err != nil {
		t.Fatal(err)
	}
	if want := "name: login-2\n"; !strings.Contains(text, want) || !strings.Contains(text, "zh-hans") {
		t.Errorf("got\n%s\nwant %q in it", text, want)
	}
	for _, version := range versions {
		if err := startText(t, version, text); err != nil {
			t.Errorf("Envoy %s: %v", version, err)
		}
	}
}

// likeSample sees that the rest is as in the sample: ports, paths, the filter, clusters.
func likeSample(t *testing.T, got, sample map[string]any, signed bool) {
	t.Helper()
	take(sample, "configuration")
	take(sample, "routes")
	env := "CLOAKROOM_TOKEN"
	if signed {
		env = "CLOAKROOM_SECRET_KEY CLOAKROOM_SECRET_KEY_FALLBACKS"
		take(sample, "host_env_keys")
	}
	var keys []string
	for _, key := range take(got, "host_env_keys").([]any) {
		keys = append(keys, key.(string))
	}
	if take(sample, "host_env_keys"); strings.Join(keys, " ") != env {
		t.Errorf("host_env_keys: got %s, want %s", keys, env)
	}
	clusters := func(tree map[string]any) map[string]any {
		byName := map[string]any{}
		for _, c := range take(tree, "clusters").([]any) {
			byName[c.(map[string]any)["name"].(string)] = c
		}
		return byName
	}
	gotClusters, wantClusters := clusters(got), clusters(sample)
	delete(wantClusters, "go")
	if signed {
		delete(wantClusters, "sessions")
	}
	if !reflect.DeepEqual(gotClusters, wantClusters) {
		t.Errorf("clusters: got\n%swant those of bootstrap.yaml\n%s", toYAML(t, gotClusters), toYAML(t, wantClusters))
	}
	if !reflect.DeepEqual(got, sample) {
		t.Errorf("the rest: got\n%swant that of bootstrap.yaml\n%s", toYAML(t, got), toYAML(t, sample))
	}
}

func toYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestIstioFromDjango reads the manifests strictly into Istio's types.
func TestIstioFromDjango(t *testing.T) {
	for _, engine := range []string{stored, signed} {
		text, err := translated(t, engine).Istio(inIstio())
		if err != nil {
			t.Fatal(err)
		}
		got, sample := &manifests{}, readManifests(t)
		specs := map[string]proto.Message{
			"extensions.istio.io/v1alpha1 WasmPlugin":  &got.plugin,
			"networking.istio.io/v1 VirtualService":    &got.service,
			"networking.istio.io/v1 Gateway":           &got.gateway,
			"networking.istio.io/v1alpha3 EnvoyFilter": &got.around,
		}
		if engine == stored {
			specs["networking.istio.io/v1 DestinationRule"] = &got.rule
		}
		got.read(t, []byte(text), specs)
		if engine == stored && !proto.Equal(&got.rule, &sample.rule) {
			t.Errorf("the DestinationRule: got %v, want that of istio.yaml, %v", &got.rule, &sample.rule)
		}
		if !proto.Equal(&got.around, &sample.around) {
			t.Errorf("around the filter: got %v, want that of istio.yaml, %v", &got.around, &sample.around)
		}
		env := map[string]string{}
		for _, v := range got.plugin.VmConfig.GetEnv() {
			env[v.Name] = "of " + v.Name
		}
		configuration, err := protojson.Marshal(got.plugin.PluginConfig)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := config.Parse(string(configuration), func(name string) (string, bool) { value, ok := env[name]; return value, ok })
		if err != nil {
			t.Fatal(err)
		}
		service := parsed.Named("app").Service
		if want := "outbound|8081||sessions.default.svc.cluster.local"; engine == stored && (service.Cluster != want || service.Authority != "sessions.default.svc.cluster.local" || service.Token != "of CLOAKROOM_TOKEN") {
			t.Errorf("got %+v, want the cluster %s", service, want)
		}
		var names []string
		for _, route := range got.service.Http {
			names = append(names, route.Name)
			if mode, known := modes[route.Name]; known && parsed.Named("istio-ingress/site/"+route.Name).Mode != mode {
				t.Errorf("route %s: mode %v, want %v", route.Name, parsed.Named("istio-ingress/site/"+route.Name).Mode, mode)
			}
		}
		want := []string{"semicolons", "login", "password-reset", "password-reset-done", "password-reset-confirm", "password-reset-complete", "public", "public-2", "static", "media", "app"}
		if !slices.Equal(names, want) {
			t.Errorf("routes: got %q, want %q", names, want)
		}
		if parsed.Named("istio-ingress/site/semicolons").Mode != config.ModeOff || !proto.Equal(got.service.Http[0], sample.service.Http[0]) {
			t.Errorf("the route semicolons: got %v, want that of istio.yaml", got.service.Http[0])
		}
		got.plugin.PluginConfig, sample.plugin.PluginConfig = nil, nil
		if engine == signed {
			got.plugin.VmConfig, sample.plugin.VmConfig = nil, nil
		}
		if !proto.Equal(&got.plugin, &sample.plugin) {
			t.Errorf("got %v, want that of istio.yaml %v", &got.plugin, &sample.plugin)
		}
	}
}
