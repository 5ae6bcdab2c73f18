// Package manifests_test holds the manifests that the command prints against the schemas and rules
// of their custom resources, as the Kubernetes API server does, and against Kubernetes' types.
//
// It is a module of its own, so that Kubernetes is a dependency of nothing else.
package manifests_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/envoyproxy/gateway/api/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	_ "istio.io/api/label"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	_ "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// kind is a kind of custom resources, with its schema.
type kind struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are where each module has its custom resources.
var definitions = map[string]string{
	"github.com/envoyproxy/gateway": "charts/gateway-crds-helm/templates/generated/*.yaml",
	"sigs.k8s.io/gateway-api":       "config/crd/standard/*.yaml",
	"istio.io/api":                  "kubernetes/customresourcedefinitions.gen.yaml",
}

// kinds returns the custom resources of Istio, Envoy Gateway and the Gateway API.
func kinds(t *testing.T) map[string]*kind {
	t.Helper()
	all := map[string]*kind{}
	for module, pattern := range definitions {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no %s, %v", module, pattern, err)
		}
		for _, file := range files {
			for _, text := range documents(t, file) {
				var crd apiextensionsv1.CustomResourceDefinition
				if err := yaml.Unmarshal(text, &crd); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if crd.Kind == "CustomResourceDefinition" {
					addKinds(t, all, &crd)
				}
			}
		}
	}
	return all
}

// addKinds adds the served versions of a definition.
func addKinds(t *testing.T, all map[string]*kind, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		var internal apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
			t.Fatal(err)
		}
		structural, err := schema.NewStructural(&internal)
		if err != nil {
			t.Fatal(err)
		}
		validator, _, err := validation.NewSchemaValidator(&internal)
		if err != nil {
			t.Fatal(err)
		}
		all[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = &kind{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
	}
}

// refused returns what the API server refuses an object for.
func (k *kind) refused(object map[string]any) (all field.ErrorList) {
	if unknown := pruning.PruneWithOptions(object, k.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}); len(unknown) > 0 {
		for _, path := range unknown {
			all = append(all, field.Invalid(field.NewPath(path), nil, "unknown field"))
		}
	}
	defaulting.Default(object, k.structural)
	all = append(all, validation.ValidateCustomResource(nil, object, k.validator)...)
	broken, _ := k.rules.Validate(context.Background(), nil, k.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return append(all, broken...)
}

// builtin are the kinds of Kubernetes, and Prometheus's.
var builtin = map[string]func() any{
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return &network.NetworkPolicy{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

// template matches the lines of Helm in a chart.
var template = regexp.MustCompile(`(?m)^\{\{.*\}\}$`)

// documents returns the documents of a file.
func documents(t *testing.T, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = template.ReplaceAll(text, nil)
	var all [][]byte
	for _, one := range bytes.Split(append([]byte("\n"), text...), []byte("\n---")) {
		if len(bytes.TrimSpace(one)) > 0 {
			all = append(all, one)
		}
	}
	return all
}

// read reads a manifest as the API server does, with integers as such.
func read(t *testing.T, text []byte) (object map[string]any) {
	t.Helper()
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err == nil {
		err = json.Unmarshal(asJSON, &object)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return object
}

// TestManifests sees that the API server takes each manifest.
func TestManifests(t *testing.T) {
	custom := kinds(t)
	seen := map[string]int{}
	for _, file := range []string{"envoy/istio.yaml", "envoy/gateway.yaml", "envoy/service.yaml", full + "istio.yaml", full + "gateway.yaml", full + "service.yaml"} {
		for _, text := range documents(t, "../../"+file) {
			object := read(t, text)
			of, _ := object["apiVersion"].(string)
			name, _ := object["kind"].(string)
			of += " " + name
			seen[name]++
			if make := builtin[of]; make != nil {
				if err := yaml.UnmarshalStrict(text, make()); err != nil {
					t.Errorf("%s: %s: %v", file, of, err)
				}
				continue
			}
			if custom[of] == nil {
				t.Errorf("%s: there is no kind %s", file, of)
				continue
			}
			for _, err := range custom[of].refused(object) {
				t.Errorf("%s: %s: %v", file, of, err)
			}
		}
	}
	if len(seen) < 19 {
		t.Errorf("got the kinds %v, want all that the command can print", seen)
	}
}

const full = "cmd/cloakroom/manifests/testdata/full-"

// TestRefused sees that the checks find what is wrong, a rule of Envoy Gateway's among it.
func TestRefused(t *testing.T) {
	custom := kinds(t)
	for _, c := range []struct{ kind, text, want string }{
		{"gateway.envoyproxy.io/v1alpha1 EnvoyExtensionPolicy", "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: site}], mergeType: StrategicMerge}", "mergeType can only be used with xRoute targets"},
		{"gateway.envoyproxy.io/v1alpha1 EnvoyExtensionPolicy", "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: site}], wsam: []}", "unknown field"},
		{"extensions.istio.io/v1alpha1 WasmPlugin", "spec: {url: oci://x, failStrategy: FAIL_SHUT}", "Unsupported value"},
		{"extensions.istio.io/v1alpha1 TrafficExtension", "spec: {phase: AUTHN}", "exactly one of wasm or lua must be set"},
	} {
		if err := custom[c.kind].refused(read(t, []byte(c.text))).ToAggregate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.text, err, c.want)
		}
	}
	if err := yaml.UnmarshalStrict([]byte("kind: Deployment\nspec: {replica: 1}"), &apps.Deployment{}); err == nil {
		t.Error("an unknown field of a Deployment was read")
	}
}
