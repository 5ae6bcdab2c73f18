package testenv_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// TestMissingTools requests the tools of a repository in which nothing is built.
func TestMissingTools(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module cloakroom\n\ngo 1.26.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	tools := map[string]struct {
		path func() (string, error)
		want string
	}{
		"the filter":       {testenv.Wasm, "make build"},
		"the service":      {testenv.Cloakroom, "make build"},
		"Python":           {testenv.Python, "make setup"},
		"the newest Envoy": {func() (string, error) { return testenv.EnvoyPath(testenv.Envoy140) }, "make setup"},
		"the older Envoy":  {func() (string, error) { return testenv.EnvoyPath(testenv.Envoy136) }, "make setup"},
		"an Envoy not had": {func() (string, error) { return testenv.EnvoyPath("1.0.0") }, "make setup"},
		"a running Envoy": {func() (string, error) {
			_, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{})
			return "", err
		}, "make setup"},
		"a running service": {func() (string, error) {
			_, err := testenv.StartService(t.Context(), testenv.ServiceConfig{})
			return "", err
		}, "make build"},
		"a running Django": {func() (string, error) {
			_, err := testenv.StartDjango(t.Context(), testenv.DjangoConfig{})
			return "", err
		}, "make setup"},
	}
	for name, tt := range tools {
		t.Run(name, func(t *testing.T) {
			if path, err := tt.path(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, %v; want an error that names `%s`", path, err, tt.want)
			}
		})
	}
}

func TestRootIsThisModules(t *testing.T) {
	got, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	t.Chdir(t.TempDir())
	if got, err := testenv.Root(); err == nil {
		t.Errorf("outside the repository: %s, want an error", got)
	}
}

func TestFreePorts(t *testing.T) {
	const n = 50
	ports, err := testenv.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if got := len(slices.Compact(ports)); got != n {
		t.Errorf("%d different ports, want %d", got, n)
	}
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Error(err)
			continue
		}
		_ = l.Close()
	}
}

func TestReplacePorts(t *testing.T) {
	tests := []struct{ bootstrap, want string }{
		{"{address: 127.0.0.1, port_value: 8000}", "{address: 127.0.0.1, port_value: 1}"},
		{"port_value: 8000\nport_value:  8001", "port_value: 1\nport_value: 2"},
		{"port_value: 8000\nport_value: 8002", "port_value: 1\nport_value: 8002"},
		{"port_value: 80001\nmy_port_value: 8000\nport: 8000", "port_value: 80001\nmy_port_value: 8000\nport: 8000"},
	}
	for _, tt := range tests {
		if got := testenv.ReplacePorts(tt.bootstrap, map[int]int{8000: 1, 8001: 2}); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.bootstrap, got, tt.want)
		}
	}
}

// TestPortsAreGivenOnce checks that ports are unique across processes: tests run concurrently, and
// take a moment until they listen.
func TestPortsAreGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for range 20 {
		ports, err := testenv.FreePorts(100)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range ports {
			if given[port] {
				t.Fatalf("port %d is given twice", port)
			}
			given[port] = true
		}
	}
}
