package hostsim_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cloakroom/hostsim"
)

func TestRefusedAtLoad(t *testing.T) {
	unknownImport := bytes.Replace(probeWasm, []byte("proxy_get_metric"), []byte("proxy_got_metric"), 1)
	noABI := bytes.Replace(probeWasm, []byte("proxy_abi_version_0_2_0"), []byte("proxy_abi_vorsion_0_2_0"), 1)
	for _, c := range []struct {
		name, configuration string
		wasm                []byte
		err                 error
		text                string
	}{
		{name: "nothing", err: hostsim.ErrLoad, text: "Config.Plugins[0].Wasm is empty"},
		{name: "no wasm", wasm: []byte("hello"), err: hostsim.ErrLoad, text: "invalid magic number"},
		{name: "unknown import", wasm: unknownImport, err: hostsim.ErrLoad, text: "env.proxy_got_metric"},
		{name: "no ABI version", wasm: noABI, err: hostsim.ErrLoad, text: "proxy_abi_version"},
		{name: "configuration refused", wasm: probeWasm, configuration: "configure: say why; pause",
			err: hostsim.ErrConfigure, text: "info: configure: say why -> why"},
		{name: "trap", wasm: probeWasm, configuration: "configure: panic", err: hostsim.ErrTrap, text: "error: panic: told to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := hostsim.New(t.Context(), hostsim.Config{Plugins: []hostsim.Plugin{{Wasm: c.wasm, Configuration: []byte(c.configuration)}}})
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got error %v, want %v with %q", err, c.err, c.text)
			}
			if h != nil {
				t.Error("got a host beside the error")
			}
		})
	}
}

// Most host calls trap while the module initializes itself.
func TestRestrictedStart(t *testing.T) {
	_, err := hostsim.New(t.Context(), hostsim.Config{Plugins: []hostsim.Plugin{{Wasm: probeWasm, Env: map[string]string{"PROBE_INIT": "1"}}}})
	if want := "proxy_set_tick_period_milliseconds called in a restricted callback"; !errors.Is(err, hostsim.ErrTrap) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %v with %q", err, hostsim.ErrTrap, want)
	}
}

// A trap ends its VM: the stream and all later ones get 503; a second worker continues.
func TestTrap(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) { c.Workers = 2 })
	if resp := send(h, "GET", "/", "", "probe-request-headers: panic"); resp.StatusCode != 503 || text(t, resp) != "" {
		t.Errorf("the trapping request: got %d, want 503 and nothing", resp.StatusCode)
	}
	if err := h.Failed(); !errors.Is(err, hostsim.ErrTrap) {
		t.Errorf("Failed: got %v, want %v", err, hostsim.ErrTrap)
	}
	for i, want := range []int{200, 503, 200, 503, 200} { // the workers take turns
		if got := send(h, "GET", "/", "").StatusCode; got != want {
			t.Errorf("request %d: got %d, want %d", i+1, got, want)
		}
	}
	resp := send(h, "POST", "/", "x", "content-type: application/grpc")
	if got := resp.Header.Get("grpc-status"); resp.StatusCode != 200 || got != "14" {
		t.Errorf("gRPC: got %d with grpc-status %q, want 200 with 14", resp.StatusCode, got)
	}
}

// proc_exit returns to the guest, as in Envoy.
func TestExitReturns(t *testing.T) {
	stepTest{name: "exit", header: []string{"probe-request-headers: exit; say on"},
		log: []string{"[trace] wasi proc_exit", "request-headers: exit", "request-headers: say on -> on"}}.run(t)
}

// A trap in response headers does not let the response through.
func TestTrapInResponse(t *testing.T) {
	h := newProbe(t, nil)
	resp := send(h, "GET", "/", "", "probe-response-headers: panic")
	if got := text(t, resp); resp.StatusCode != 503 || got != "" || resp.Header.Get("X-App") != "" {
		t.Errorf("got %d %q %v, want a bare 503", resp.StatusCode, got, resp.Header)
	}
}

func TestClose(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) { c.Plugins[0].Configuration = []byte("plugin-done: say bye") })
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTranscript(t, h, "plugin-done: say bye -> bye")
}
