package plugins

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"cloakroom/internal/testenv"
)

// startEnvoy starts an Envoy with the plugin and returns its address.
func startEnvoy(t *testing.T, wasm string, p plugin, upstream *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	clusters := map[string][]int{}
	for _, name := range p.calls {
		clusters[name] = []int{port}
	}
	return testenv.NewSite(t, testenv.SiteConfig{FilterConfig: testenv.FilterConfig{Wasm: wasm, Config: p.config, Upstream: port, Clusters: clusters, Workers: 1}}).Bases[0]
}

// cacheDir returns the folder of wazero's compilation cache, which is kept between runs.
func cacheDir(t *testing.T) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "build", "wazero")
}

// startSim starts `cloakroom sim` with the plugin and returns its address.
func startSim(t *testing.T, wasm string, p plugin, upstream *httptest.Server) string {
	t.Helper()
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	path, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(p.config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(ports[0])
	args := []string{"sim", "--wasm", wasm, "--config", file, "--listen", address, "--upstream", upstream.URL, "--log-level", "error", "--cache", cacheDir(t)}
	for _, name := range p.calls {
		args = append(args, "--cluster", name+"="+upstream.URL)
	}
	process, err := testenv.Start(t.Context(), testenv.Command{
		Name: "cloakroom sim", Path: path, Args: args, Ready: testenv.Answers("http://"+address+"/", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Stop() })
	return "http://" + address
}

// refusedByEnvoy136 starts the older Envoy, whose host offers 18 functions of WASI, with the
// plugin and returns why it does not start.
func refusedByEnvoy136(t *testing.T, wasm string) error {
	t.Helper()
	ports, err := testenv.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	envoy, err := testenv.StartFilter(t.Context(), testenv.FilterConfig{Version: testenv.Envoy136, Wasm: wasm, Port: ports[0], Admin: ports[1], Workers: 1})
	if err == nil {
		_ = envoy.Stop()
	}
	return err
}
