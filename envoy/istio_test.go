package envoy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"cloakroom/filter/config"
	"cloakroom/internal/testenv"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	extensions "istio.io/api/extensions/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// manifests are those of istio.yaml, each read strictly into Istio's own type.
type manifests struct {
	plugin  extensions.WasmPlugin
	service networking.VirtualService
	rule    networking.DestinationRule
	patches networking.EnvoyFilter
	gateway networking.Gateway
	around  networking.EnvoyFilter
}

func readManifests(t *testing.T) *manifests {
	t.Helper()
	text, err := os.ReadFile("istio.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := &manifests{}
	m.read(t, text, map[string]proto.Message{
		"extensions.istio.io/v1alpha1 WasmPlugin":                    &m.plugin,
		"networking.istio.io/v1 VirtualService":                      &m.service,
		"networking.istio.io/v1 DestinationRule":                     &m.rule,
		"networking.istio.io/v1 Gateway":                             &m.gateway,
		"networking.istio.io/v1alpha3 EnvoyFilter cloakroom-routes":  &m.patches,
		"networking.istio.io/v1alpha3 EnvoyFilter cloakroom-gateway": &m.around,
	})
	return m
}

// read reads one manifest of each kind, or of each kind and name.
func (m *manifests) read(t *testing.T, text []byte, specs map[string]proto.Message) {
	t.Helper()
	kinds := map[string]func() proto.Message{}
	for kind, spec := range specs {
		kinds[kind] = func() proto.Message {
			if specs[kind] == nil {
				t.Errorf("two manifests are %s", kind)
			}
			delete(specs, kind)
			return spec
		}
	}
	m.readAll(t, text, kinds)
	for kind := range specs {
		t.Errorf("there is no %s", kind)
	}
}

// readAll reads manifests strictly into what their kind, or their kind and name, have.
func (m *manifests) readAll(t *testing.T, text []byte, kinds map[string]func() proto.Message) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.UseJSONUnmarshaler(), yaml.Strict())
	for {
		var manifest struct {
			APIVersion string         `yaml:"apiVersion"`
			Kind       string         `yaml:"kind"`
			Metadata   map[string]any `yaml:"metadata"`
			Spec       map[string]any `yaml:"spec"`
		}
		err := decoder.Decode(&manifest)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := manifest.APIVersion + " " + manifest.Kind
		if named := fmt.Sprintf("%s %v", kind, manifest.Metadata["name"]); kinds[named] != nil {
			kind = named
		}
		if kinds[kind] == nil {
			t.Fatalf("an unexpected %s", kind)
		}
		if err := protojson.Unmarshal(toJSON(t, manifest.Spec), kinds[kind]()); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
}

func toJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := yaml.MarshalWithOptions(value, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWasmPlugin(t *testing.T) {
	m := readManifests(t)
	if got, want := m.plugin.FailStrategy, extensions.FailStrategy_FAIL_RELOAD; got != want {
		t.Errorf("failStrategy %v, want %v", got, want)
	}
	env := map[string]string{}
	for _, v := range m.plugin.VmConfig.GetEnv() {
		if v.ValueFrom == extensions.EnvValueSource_HOST {
			env[v.Name] = "a token"
		}
	}
	text, err := protojson.Marshal(m.plugin.PluginConfig)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := config.Parse(string(text), func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed.Named("istio-ingress/site/go"); got.Service.Token != "a token" || got.ForwardCookie {
		t.Errorf("route go: token %q, forward_cookie %v; want the environment's token and false", got.Service.Token, got.ForwardCookie)
	}
}

// TestNamedRoutes sees that every route that the manifests configure by name
// is a route of the VirtualService.
func TestNamedRoutes(t *testing.T) {
	m := readManifests(t)
	var names []string
	for _, route := range m.service.Http {
		names = append(names, route.Name)
	}
	for key := range m.plugin.PluginConfig.Fields["routes"].GetStructValue().GetFields() {
		name, ok := strings.CutPrefix(key, "istio-ingress/site/") // the VirtualService's
		if !ok || !slices.Contains(names, name) {
			t.Errorf("pluginConfig.routes.%s: the VirtualService's routes are %v", key, names)
		}
	}
	for _, patch := range m.patches.ConfigPatches {
		if name := patch.Match.GetRouteConfiguration().GetVhost().GetRoute().GetName(); !slices.Contains(names, name) {
			t.Errorf("the EnvoyFilter patches route %q; the VirtualService's are %v", name, names)
		}
	}
}

// TestRouteMetadata reads the patched value as Envoy's own route, and its
// metadata as the filter does.
func TestRouteMetadata(t *testing.T) {
	m := readManifests(t)
	for _, patch := range m.patches.ConfigPatches {
		text, err := protojson.Marshal(patch.Patch.Value)
		if err != nil {
			t.Fatal(err)
		}
		var route routev3.Route
		if err := protojson.Unmarshal(text, &route); err != nil {
			t.Fatal(err)
		}
		message, err := proto.Marshal(route.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := config.Parse(`{"engine":{"service":{"cluster":"sessions"}}}`, os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Resolve("health", message)
		if err != nil {
			t.Fatal(err)
		}
		if got.Route.Mode != config.ModeOff {
			t.Errorf("mode %v, want off", got.Route.Mode)
		}
	}
}

// TestAroundTheFilter reads what an EnvoyFilter puts into the gateway as Envoy does, and sees that the
// cors filter comes first and that paths are made alike.
func TestAroundTheFilter(t *testing.T) {
	var operations []string
	for _, patch := range readManifests(t).around.ConfigPatches {
		operations = append(operations, patch.ApplyTo.String()+" "+patch.Patch.Operation.String())
		value := patch.Patch.Value
		if value == nil {
			continue
		}
		text, err := protojson.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var filter hcmv3.HttpFilter
		if err := protojson.Unmarshal(text, &filter); err != nil {
			t.Fatal(err)
		}
		typed, err := filter.GetTypedConfig().UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		if hcm, ok := typed.(*hcmv3.HttpConnectionManager); ok && (!hcm.NormalizePath.GetValue() || !hcm.MergeSlashes || hcm.PathWithEscapedSlashesAction != hcmv3.HttpConnectionManager_UNESCAPE_AND_REDIRECT) {
			t.Errorf("got the connection manager %v", hcm)
		}
	}
	want := []string{"NETWORK_FILTER MERGE", "HTTP_FILTER REMOVE", "HTTP_FILTER INSERT_FIRST"}
	if !slices.Equal(operations, want) {
		t.Errorf("got the patches %q, want %q", operations, want)
	}
}

// TestPluginConfigLoads gives the WasmPlugin's configuration to real Envoys in
// the form that Istio gives it: JSON in a StringValue.
func TestPluginConfigLoads(t *testing.T) {
	m := readManifests(t)
	text, err := protojson.Marshal(m.plugin.PluginConfig)
	if err != nil {
		t.Fatal(err)
	}
	asString := func(config string) any {
		return map[string]any{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": config}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			if err := start(t, version, asString(string(text))); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("wrong", func(t *testing.T) {
		err := start(t, testenv.Envoy140, asString(strings.Replace(string(text), `"forward_cookie"`, `"forward_cookies"`, 1)))
		if want := "routes.istio-ingress/site/go.forward_cookies"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a wrong field: %v, want an error that names %s", err, want)
		}
	})
}
