package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifests checks what the command prints by the command that checks configurations.
func TestManifests(t *testing.T) {
	for _, c := range []struct{ of, file, want string }{
		{"istio", "../../envoy/istio.cloakroom.yaml", "-: spec.pluginConfig: ok\n"},
		{"envoy-gateway", "../../envoy/gateway.cloakroom.yaml", "-: spec.wasm[0].config: ok\n"},
		{"envoy", "manifests/testdata/bootstrap.yaml", "configuration.value: ok\n"},
		{"istio", "manifests/testdata/full.yaml", "-: spec.wasm.pluginConfig: ok\n"},
		{"envoy-gateway", "manifests/testdata/full.yaml", "-: spec.wasm[0].config: ok\n"},
	} {
		printed := run(t, nil, "", "manifests", c.of, c.file)
		if printed.status != 0 {
			t.Fatalf("%s: got %+v", c.of, printed)
		}
		got := run(t, secrets(), printed.stdout, "config", "check", "-")
		if got.status != 0 || !strings.HasSuffix(got.stdout, c.want) || got.stderr != "" {
			t.Errorf("%s %s: got %+v, want %q and no warning", c.of, c.file, got, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "cloakroom.yaml")
	if err := os.WriteFile(file, []byte("hosts: [site.example.com]\nfilter:\n  configuration:\n    moed: required\nroutes:\n- {name: app, prefix: /, to: 'a:1'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, nil, "", "manifests", "istio", file), file+":4: filter.configuration.moed: "; got.status != 1 || !strings.Contains(got.stderr, want) || got.stdout != "" {
		t.Errorf("got %+v, want an error with %q", got, want)
	}
}
