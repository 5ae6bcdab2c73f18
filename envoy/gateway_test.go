package envoy_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"cloakroom/filter/config"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	extensions "istio.io/api/extensions/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// full are the manifests of a description with every field.
const full = "../cmd/cloakroom/manifests/testdata/full-"

// specs returns the specifications in a file, by kind and name.
func specs(t *testing.T, file string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var manifest struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     map[string]any
		}
		err := decoder.Decode(&manifest)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[manifest.Kind+" "+manifest.Metadata.Name] = manifest.Spec
	}
}

// TestEnvoyGateway reads what Envoy Gateway hands on as it is: the session service's cluster as Envoy
// does, and the configuration as the filter does. tests/manifests reads the rest.
func TestEnvoyGateway(t *testing.T) {
	for _, file := range []string{"gateway.yaml", full + "gateway.yaml"} {
		all := specs(t, file)
		patch := all["EnvoyProxy cloakroom"]["bootstrap"].(map[string]any)["jsonPatches"].([]any)[0].(map[string]any)
		var cluster clusterv3.Cluster
		if err := protojson.Unmarshal(toJSON(t, patch["value"]), &cluster); err != nil {
			t.Fatal(err)
		}
		wasm := all["EnvoyExtensionPolicy cloakroom"]["wasm"].([]any)[0].(map[string]any)
		parsed, err := config.Parse(string(toJSON(t, wasm["config"])), func(name string) (string, bool) { return "of " + name, name == "CLOAKROOM_TOKEN" })
		if err != nil {
			t.Fatal(err)
		}
		service := parsed.Services()
		if len(service) != 1 || service[0].Cluster != cluster.Name || service[0].Token != "of CLOAKROOM_TOKEN" {
			t.Errorf("%s: got the services %+v, want the cluster %s", file, service, cluster.Name)
		}
		var removed []string
		headers := all["ClientTrafficPolicy cloakroom"]["headers"].(map[string]any)["earlyRequestHeaders"].(map[string]any)
		for _, name := range headers["remove"].([]any) {
			removed = append(removed, name.(string))
		}
		if want := parsed.Strip().Names(); !slices.Equal(removed, want) || len(want) < 3 {
			t.Errorf("%s: %q are removed early, want %q", file, removed, want)
		}
		for _, key := range parsed.RouteNames() { // each is a rule of an HTTPRoute
			parts := strings.Split(key, "/")
			rules, _ := all["HTTPRoute "+parts[2]]["rules"].([]any)
			if !parsed.Namespaced() || len(rules) != 1 || rules[0].(map[string]any)["name"] != parts[3] {
				t.Errorf("%s: no rule is called %s", file, key)
			}
		}
		if len(parsed.RouteNames()) < 2 {
			t.Errorf("%s: got the routes %q", file, parsed.RouteNames())
		}
	}
}

// TestIstioInFull reads the manifests of each kind strictly into Istio's types, TrafficExtension among
// them.
func TestIstioInFull(t *testing.T) {
	text, err := os.ReadFile(full + "istio.yaml")
	if err != nil {
		t.Fatal(err)
	}
	extension := &extensions.TrafficExtension{}
	m := &manifests{}
	m.readAll(t, text, map[string]func() proto.Message{
		"extensions.istio.io/v1alpha1 TrafficExtension": func() proto.Message { return extension },
		"networking.istio.io/v1 VirtualService":         func() proto.Message { return &m.service },
		"networking.istio.io/v1 DestinationRule":        func() proto.Message { return &m.rule },
		"networking.istio.io/v1 Gateway":                func() proto.Message { return &m.gateway },
		"networking.istio.io/v1 ServiceEntry":           func() proto.Message { return &networking.ServiceEntry{} },
		"networking.istio.io/v1alpha3 EnvoyFilter":      func() proto.Message { return &networking.EnvoyFilter{} },
	})
	wasm := extension.GetWasm()
	if wasm.GetFailStrategy() != extensions.FailStrategy_FAIL_RELOAD || !strings.Contains(wasm.GetUrl(), "@sha256:") || wasm.GetVmConfig().GetEnv()[0].GetValueFrom() != extensions.EnvValueSource_HOST {
		t.Errorf("got %v", extension)
	}
	if len(m.service.Hosts) != 2 || len(m.service.Http) != 5 {
		t.Errorf("got %v", &m.service)
	}
}
