// Package probe has what the tests of programs that run hostsim's probe plugin share: the plugin,
// and what such a program prints.
package probe

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Module returns hostsim/testdata/probe, which is compiled once for a process.
var Module = sync.OnceValues(func() ([]byte, error) { return Build("cloakroom/hostsim/testdata/probe") })

// Build compiles a plugin, by its package, and returns the module.
func Build(plugin string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "cloakroom-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "plugin.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, plugin)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	return os.ReadFile(out)
}

// WriteModule writes Module to a file in a folder that is the test's, and returns its path.
func WriteModule(t testing.TB) string {
	t.Helper()
	wasm, err := Module()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "probe.wasm")
	if err := os.WriteFile(file, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Output collects what a program prints, and may be read while it does.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String returns what was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// WaitFor waits until the output matches a regular expression, for a minute at the most, and
// returns the last group.
func (o *Output) WaitFor(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("no %s in a minute in:\n%s", pattern, o)
	return ""
}
