package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// errNoRust reports that this machine cannot build Rust for WebAssembly.
var errNoRust = errors.New("no Rust with a WASI target here (Debian: apt-get install cargo libstd-rust-dev-wasm32)")

// buildGo compiles the plugin in a folder with upstream Go.
func buildGo(t *testing.T, folder string) string {
	t.Helper()
	wasm := filepath.Join(t.TempDir(), folder+".wasm")
	run(t, folder, []string{"GOOS=wasip1", "GOARCH=wasm"},
		"go", "build", "-buildmode=c-shared", "-tags=no_fs_access", "-trimpath", "-ldflags=-s -w", "-o", wasm, ".")
	return wasm
}

// buildExamples compiles the examples of the crate named in rust/Cargo.toml, from a copy of it and
// with its own Cargo.lock, and returns the folder of the modules.
func buildExamples(t *testing.T) (string, error) {
	t.Helper()
	target, err := rustTarget()
	if err != nil {
		return "", err
	}
	var found struct {
		Packages []struct {
			Name     string
			Manifest string `json:"manifest_path"`
		}
	}
	if err := json.Unmarshal(run(t, "rust", nil, "cargo", "metadata", "--locked", "--format-version", "1"), &found); err != nil {
		t.Fatal(err)
	}
	crate := t.TempDir()
	for _, p := range found.Packages {
		if p.Name == "proxy-wasm" {
			if err := os.CopyFS(crate, os.DirFS(filepath.Dir(p.Manifest))); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t, crate, nil, "cargo", "build", "--quiet", "--release", "--locked", "--examples", "--target", target)
	return filepath.Join(crate, "target", target, "release", "examples"), nil
}

// rustTarget returns the name of WASI in the installed Rust.
func rustTarget() (string, error) {
	for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
		out, err := exec.Command("rustc", "--print", "target-libdir", "--target", target).Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(out))); err == nil {
			return target, nil
		}
	}
	return "", errNoRust
}

// run runs a command and returns its standard output.
func run(t *testing.T, dir string, env []string, name string, args ...string) []byte {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	var message bytes.Buffer
	command.Stderr = &message
	out, err := command.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, message.Bytes()))
	}
	return out
}
