package django_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloakroom/internal/testenv"
)

// version is a Django to compare with: an interpreter, and a folder of packages that precede its
// own. `make setup` installs all of them.
type version struct{ name, python, packages string }

var versions = []version{
	{name: "4.2", python: "build/venv/bin/python", packages: "build/django-4.2"},
	{name: "5.2", python: "build/venv/bin/python"},
	{name: "6.1", python: "build/venv-django6/bin/python"},
}

// usual is the version of tests that need not run with all.
var usual = versions[1]

// missing reports whether a version cannot run here. Only Django 6.1 may be missing: it needs a
// newer Python than this project does.
func (v version) missing(root string) bool {
	_, err := os.Stat(filepath.Join(root, v.python))
	return err != nil && v.name == "6.1"
}

// command runs the driver under this version.
func (v version) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(root, v.python)
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("no Python with Django %s: %v; run `make setup`", v.name, err)
	}
	command := exec.CommandContext(ctx, python, args...)
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if v.packages != "" {
		command.Env = append(command.Env, "PYTHONPATH="+filepath.Join(root, v.packages))
	}
	command.Stderr = os.Stderr
	return command
}

// eachVersion runs a test with each Django that can run here.
func eachVersion(t *testing.T, test func(t *testing.T, v version)) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		if v.missing(root) {
			t.Logf("Django %s is left out: it needs Python 3.12 or newer", v.name)
			continue
		}
		t.Run(v.name, func(t *testing.T) { test(t, v) })
	}
}

var (
	comparedMu sync.Mutex
	compared   = map[string]int{} // generated cases by engine
	ran        = map[string]bool{}
)

// compare counts generated sessions that were compared with Django's.
func (d *driver) compare(n int) {
	comparedMu.Lock()
	defer comparedMu.Unlock()
	compared[d.name] += n
	ran[d.version.name] = true
}

// summarize writes how many sessions were compared, for `make test` to print.
func summarize() error {
	var parts, djangos []string
	for engine, n := range compared {
		parts = append(parts, fmt.Sprintf("%s %d", engine, n))
	}
	slices.Sort(parts)
	for _, v := range versions {
		name := v.name
		if !ran[name] {
			name += " LEFT OUT (no Python 3.12)"
		}
		djangos = append(djangos, name)
	}
	return testenv.Summarize("django", fmt.Sprintf("generated sessions compared with Django %s: %s", strings.Join(djangos, ", "), strings.Join(parts, ", ")))
}
