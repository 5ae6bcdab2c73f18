package differential

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// host is a host that runs the probe.
type host interface {
	// address returns the address that sends requests through one probe, or a chain of three.
	address(chain bool) string
	// lines returns the probe's log lines so far, "[level] message".
	lines() []string
}

// metadata is the metadata of the route called main.
var metadata = map[string]map[string]any{
	"ns":  {"s": "text", "n": 3, "b": true, "l": []any{1, "a"}, "m": map[string]any{"k": "v"}},
	"ns2": {"z": 1, "nul": nil},
}

// buildProbe compiles the probe plugin.
func buildProbe(t *testing.T) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	wasm := filepath.Join(t.TempDir(), "probe.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-o", wasm, "./hostsim/testdata/probe")
	build.Dir = root
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the probe does not build: %v\n%s", err, out)
	}
	return wasm
}

type simHost struct {
	one, chain *httptest.Server
	mu         sync.Mutex
	logged     []string
}

func (s *simHost) address(chain bool) string {
	if chain {
		return s.chain.Listener.Addr().String()
	}
	return s.one.Listener.Addr().String()
}

func (s *simHost) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.logged...)
}

func startSim(t *testing.T, wasm, appURL string) *simHost {
	t.Helper()
	text, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	s := &simHost{}
	s.one = s.start(t, appURL, hostsim.Plugin{
		Wasm: text, Configuration: []byte("configure: say up"), Name: "pname", RootID: "rid", VMID: "vid",
		Env: map[string]string{"FOO": "bar"},
	})
	var chain []hostsim.Plugin
	for _, p := range chained {
		chain = append(chain, hostsim.Plugin{Wasm: text, Configuration: []byte("as: " + p.Name), Name: p.Name, RootID: p.Name, VMID: p.VM})
	}
	s.chain = s.start(t, appURL, chain...)
	return s
}

// chained are the probes of the chain.
var chained = []struct{ Name, VM string }{{"one", "first"}, {"two", "second"}, {"three", "second"}}

func (s *simHost) start(t *testing.T, appURL string, plugins ...hostsim.Plugin) *httptest.Server {
	t.Helper()
	h, err := hostsim.New(t.Context(), hostsim.Config{
		Plugins: plugins, LogLevel: hostsim.Info, VirtualHost: "all",
		Routes: []hostsim.Route{
			{Name: "gone", Prefix: "/gone", Cluster: "dead"},
			{Name: "other", Prefix: "/other", Cluster: "app"},
			{Name: "main", Prefix: "/", Cluster: "app", Metadata: metadata},
		},
		Clusters: map[string]hostsim.Cluster{
			"app": hostsim.URL(appURL), "calls": hostsim.URL(appURL), "grpc": hostsim.URL(appURL),
			"dead": hostsim.URL("http://" + deadAddress), "deadgrpc": hostsim.URL("http://" + deadAddress),
		},
		Log: func(level hostsim.Level, message string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.logged = append(s.logged, "["+level.String()+"] "+message)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		// Streams that are never resumed do not end by themselves, so the server's own Close would
		// block.
		if err := server.Config.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

// deadAddress is an address without a listener.
const deadAddress = "127.0.0.1:1"

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("bootstrap").Parse(bootstrapText))

type envoyHost struct {
	envoy      *testenv.Envoy
	one, chain int // ports
}

func (e *envoyHost) address(chain bool) string {
	if chain {
		return "127.0.0.1:" + strconv.Itoa(e.chain)
	}
	return "127.0.0.1:" + strconv.Itoa(e.one)
}

// lines returns the plugin's own lines. Envoy writes them as "[level] wasm log NAME ROOT_ID VM_ID:
// message".
func (e *envoyHost) lines() []string {
	var lines []string
	for _, line := range strings.Split(e.envoy.Log(), "\n") {
		level, rest, found := strings.Cut(line, "] wasm log")
		_, message, also := strings.Cut(rest, ": ")
		if found && also {
			lines = append(lines, level+"] "+message)
		}
	}
	return lines
}

func startEnvoy(t *testing.T, version, wasm, appURL, policy string) *envoyHost {
	t.Helper()
	ports, err := testenv.FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(appURL)
	if err != nil {
		t.Fatal(err)
	}
	_, dead, err := net.SplitHostPort(deadAddress)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	err = bootstrap.Execute(&text, map[string]any{
		"Admin": ports[0], "Port": ports[1], "ChainPort": ports[2], "Chain": chained, "Wasm": wasm, "Policy": policy, "Metadata": string(fields),
		"Clusters": map[string]string{"app": u.Port(), "calls": u.Port(), "grpc": u.Port(), "dead": dead, "deadgrpc": dead},
	})
	if err != nil {
		t.Fatal(err)
	}
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
		Version: version, Bootstrap: text.String(), AdminPort: ports[0],
		Args: []string{"-l", "info", "--log-format", "[%l] %v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = envoy.Stop() })
	return &envoyHost{envoy, ports[1], ports[2]}
}
