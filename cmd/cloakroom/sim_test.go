package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/hostsim"
	"cloakroom/internal/probe"
)

// TestSim proxies through a plugin until it is stopped.
func TestSim(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "upstream "+r.Header.Get("x-new"))
	}))
	defer upstream.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stderr probe.Output
	a := &app{strings.NewReader(""), io.Discard, &stderr, func(string) (string, bool) { return "", false }}
	wasm, status := probe.WriteModule(t), make(chan int)
	go func() {
		status <- a.run(ctx, []string{"sim", "--cache=", "--wasm", wasm, "--listen", "127.0.0.1:0", "--upstream", upstream.URL,
			"--cluster", "other=" + upstream.URL, "--env", "A=b=c"})
	}()
	url := stderr.WaitFor(t, `ready: (http://\S+)`)
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("probe-request-headers", "set req x-new 1; env A")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "upstream 1" {
		t.Errorf("got %q, %v, want %q", b, err, "upstream 1")
	}
	stop()
	if got := <-status; got != 0 {
		t.Errorf("exit status: got %d, want 0", got)
	}
	if got, want := stderr.String(), "wasm info: request-headers: env A -> b=c\n"; !strings.Contains(got, want) {
		t.Errorf("standard error: got %q, want it to contain %q", got, want)
	}
}

func TestSimRefuses(t *testing.T) {
	dir := t.TempDir()
	notWasm := filepath.Join(dir, "not.wasm")
	if err := os.WriteFile(notWasm, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"no such file", []string{"--wasm", filepath.Join(dir, "none")}, 1, "the plugin: open "},
		{"no module", []string{"--wasm", notWasm}, 1, "not.wasm: " + hostsim.ErrLoad.Error()},
		{"no such variable", []string{"--wasm", notWasm, "--env", "NONE"}, 2, "give NONE=VALUE"},
		{"the upstream's name", []string{"--wasm", notWasm, "--cluster", "upstream=http://127.0.0.1:1"}, 2, "--upstream"},
		{"no URL", []string{"--wasm", notWasm, "--cluster", "a=b"}, 1, `cluster "a": want http://host:port, got "b"`},
		{"flag missing", nil, 2, "--wasm"},
		{"both", []string{"--wasm", notWasm, filepath.Join(dir, "sim.yaml")}, 2, "either FILE or --wasm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			a := &app{strings.NewReader(""), io.Discard, &stderr, func(string) (string, bool) { return "", false }}
			got := a.run(t.Context(), append([]string{"sim", "--upstream", "http://127.0.0.1:1"}, c.args...))
			if got != c.status || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("got %d and %q, want %d with %q", got, stderr.String(), c.status, c.stderr)
			}
		})
	}
}
