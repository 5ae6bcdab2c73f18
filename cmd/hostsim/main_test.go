package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
)

// output is a buffer that is read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// buildProbe compiles hostsim's probe plugin to a file.
func buildProbe(t *testing.T, file string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "../../hostsim/testdata/probe")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
}

func noEnv(string) (string, bool) { return "", false }

// TestServe runs a plugin by a file and by flags, sends a request through it and stops.
func TestServe(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "upstream "+r.Header.Get("x-new"))
	}))
	defer upstream.Close()
	dir := t.TempDir()
	wasm, file := filepath.Join(dir, "probe.wasm"), filepath.Join(dir, "hostsim.yaml")
	buildProbe(t, wasm)
	setup := fmt.Sprintf("plugins: [{wasm: probe.wasm}]\nclusters: {upstream: %q}\n", upstream.URL)
	if err := os.WriteFile(file, []byte(setup), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{file}, {"--wasm", wasm, "--upstream", upstream.URL}} {
		var stderr output
		ctx, stop := context.WithCancel(t.Context())
		status := make(chan int, 1)
		go func() {
			status <- run(ctx, append(args, "--cache", filepath.Join(dir, "cache"), "--listen", "127.0.0.1:0"), noEnv, io.Discard, &stderr)
		}()
		if got, want := get(t, address(t, &stderr)), "upstream 1"; got != want {
			t.Errorf("%s: got %q, want %q", args[0], got, want)
		}
		stop()
		if got := <-status; got != 0 {
			t.Errorf("%s: exit status %d, want 0; standard error: %s", args[0], got, stderr.String())
		}
	}
}

// address waits until the proxy listens and returns its URL.
func address(t *testing.T, stderr *output) string {
	t.Helper()
	ready := regexp.MustCompile(`ready: (http://\S+)`)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := ready.FindStringSubmatch(stderr.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("not ready in 30 s; standard error: %s", stderr.String())
	return ""
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
