package envoy_test

import (
	"os"
	"testing"

	"cloakroom/internal/testenv"

	"github.com/goccy/go-yaml"
)

var versions = []string{testenv.Envoy136, testenv.Envoy140}

func TestBootstrap(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			if err := start(t, version, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// start starts Envoy with bootstrap.yaml on free ports, the filter configured
// by configuration unless that is nil, and ends it again.
func start(t *testing.T, version string, configuration any) error {
	t.Helper()
	text, err := os.ReadFile("bootstrap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := string(text)
	if configuration != nil {
		bootstrap = reconfigure(t, bootstrap, configuration)
	}
	return startText(t, version, bootstrap)
}

// startText starts Envoy with a bootstrap on free ports, and ends it again.
func startText(t *testing.T, version, bootstrap string) error {
	t.Helper()
	free, err := testenv.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
		Version: version, Bootstrap: testenv.ReplacePorts(bootstrap, map[int]int{10000: free[0], 9901: free[1]}), AdminPort: free[1],
		Env: []string{"CLOAKROOM_TOKEN=a token", "CLOAKROOM_SECRET_KEY=a key", "CLOAKROOM_SECRET_KEY_FALLBACKS=older oldest"},
	})
	if err != nil {
		return err
	}
	return envoy.Stop()
}

func reconfigure(t *testing.T, bootstrap string, configuration any) string {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(bootstrap), &tree); err != nil {
		t.Fatal(err)
	}
	if n := replace(tree, "configuration", configuration); n != 1 {
		t.Fatalf("bootstrap.yaml has %d fields of the name configuration, want 1", n)
	}
	return string(toJSON(t, tree))
}

// replace puts value in every field of a name and says how many those are.
func replace(tree any, name string, value any) (replaced int) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, child := range tree {
			if key == name {
				tree[key] = value
				replaced++
				continue
			}
			replaced += replace(child, name, value)
		}
	case []any:
		for _, child := range tree {
			replaced += replace(child, name, value)
		}
	}
	return replaced
}
