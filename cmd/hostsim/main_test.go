package main

import (
	"bytes"
	"context"
	"fmt"
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

func noEnv(string) (string, bool) { return "", false }

// TestServe runs a plugin by a file and by flags, sends a request through it and stops.
func TestServe(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "upstream "+r.Header.Get("x-new"))
	}))
	defer upstream.Close()
	wasm := probe.WriteModule(t)
	dir := filepath.Dir(wasm)
	file := filepath.Join(dir, "hostsim.yaml")
	setup := fmt.Sprintf("plugins: [{wasm: probe.wasm}]\nclusters: {upstream: %q}\n", upstream.URL)
	if err := os.WriteFile(file, []byte(setup), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{file}, {"--wasm", wasm, "--upstream", upstream.URL}} {
		var stderr probe.Output
		ctx, stop := context.WithCancel(t.Context())
		status := make(chan int, 1)
		go func() {
			status <- run(ctx, append(args, "--cache", filepath.Join(dir, "cache"), "--listen", "127.0.0.1:0"), noEnv, io.Discard, &stderr)
		}()
		if got, want := get(t, stderr.WaitFor(t, `ready: (http://\S+)`)), "upstream 1"; got != want {
			t.Errorf("%s: got %q, want %q", args[0], got, want)
		}
		stop()
		if got := <-status; got != 0 {
			t.Errorf("%s: exit status %d, want 0; standard error: %s", args[0], got, stderr.String())
		}
	}
}

// get sends a request in which the plugin sets a header, and returns the response's body.
func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("probe-request-headers", "set req x-new 1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefused(t *testing.T) {
	notWasm := filepath.Join(t.TempDir(), "not.wasm")
	if err := os.WriteFile(notWasm, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"nothing to run", nil, 2, "want either FILE or --wasm"},
		{"no upstream", []string{"--wasm", notWasm}, 2, "--upstream URL is required"},
		{"unknown flag", []string{"--store", "sqlite:x"}, 2, "unknown flag --store"},
		{"no such file", []string{filepath.Join(t.TempDir(), "none.yaml")}, 1, "none.yaml"},
		{"not a module", []string{"--wasm", notWasm, "--upstream", "http://127.0.0.1:1"}, 1, hostsim.ErrLoad.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			got := run(t.Context(), c.args, noEnv, io.Discard, &stderr)
			if got != c.status || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("got %d and %q, want %d with %q", got, stderr.String(), c.status, c.stderr)
			}
		})
	}
}
