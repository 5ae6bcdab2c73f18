package proxy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/hostsim"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func noEnv(string) (string, bool) { return "", false }

func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ in, want string }{
		"a.yaml": {"mode: required\nage: 1\n", `{"mode": "required", "age": 1}` + "\n"},
		"a.json": {`{"mode":"required"}`, `{"mode":"required"}`},
		"a.txt":  {"mode: required\n", "mode: required\n"},
	} {
		file := filepath.Join(dir, name)
		write(t, file, c.in)
		if got, err := (Plugin{File: file}).configuration(); err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
	if _, err := (Plugin{File: filepath.Join(dir, "none")}).configuration(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v, want %v", err, os.ErrNotExist)
	}
}

func TestReadSetup(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.wasm"), "module")
	write(t, filepath.Join(dir, "faults.yaml"), "seed: 7\nfaults:\n- {on: callout, do: delay, by: 2s, cluster: c, share: 0.5}\n")
	write(t, filepath.Join(dir, "sim.yaml"), `
plugins:
- {wasm: a.wasm, configuration: {a: [1, true]}, env: [A=b=c, HOME_OF], failure_policy: FAIL_RELOAD, reload_backoff: 3s, root_id: r, vm_id: v}
- {wasm: a.wasm, name: second, configuration: text}
clusters: {upstream: "http://127.0.0.1:1"}
workers: 2
faults: faults.yaml
`)
	s, err := ReadSetup(filepath.Join(dir, "sim.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.config(func(name string) (string, bool) { return "value of " + name, true })
	if err != nil {
		t.Fatal(err)
	}
	first, second := c.Plugins[0], c.Plugins[1]
	if first.Name != "a.wasm" || string(first.Wasm) != "module" || strings.Join(strings.Fields(string(first.Configuration)), "") != `{"a":[1,true]}` ||
		first.Env["A"] != "b=c" || first.Env["HOME_OF"] != "value of HOME_OF" || first.FailurePolicy != hostsim.FailReload ||
		first.ReloadBackoff.String() != "3s" || first.RootID != "r" || first.VMID != "v" {
		t.Errorf("first plugin: %+v", first)
	}
	if second.Name != "second" || string(second.Configuration) != "text" || second.FailurePolicy != hostsim.FailClosed {
		t.Errorf("second plugin: %+v", second)
	}
	if c.Workers != 2 || len(c.Routes) != 1 || c.Routes[0].Cluster != "upstream" {
		t.Errorf("workers %d, routes %+v", c.Workers, c.Routes)
	}
	if f := c.Faults; f.Seed != 7 || len(f.Faults) != 1 || f.Faults[0].On != "callout" || f.Faults[0].By.String() != "2s" || f.Faults[0].Share != 0.5 {
		t.Errorf("faults: %+v", f)
	}
}

func TestSetupRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.wasm"), "module")
	for text, want := range map[string]string{
		"plugins: [{wasm: none.wasm}]":                                                       "none.wasm",
		"plugins: [{wasm: a.wasm, failure_policy: OPEN}]":                                    `failure policy "OPEN": want FAIL_CLOSED, FAIL_OPEN, FAIL_RELOAD`,
		"plugins: [{wasm: a.wasm, wam: b}]":                                                  "wam",
		"plugins: [{wasm: a.wasm, env: [NONE]}]":                                             "give NONE=VALUE",
		"plugins: [{wasm: a.wasm}]\nroutes: [{name: r, prefix: /, cluster: c}]":              `route 1 (r): there is no cluster "c"`,
		"plugins: [{wasm: a.wasm}]\nclusters: {upstream: \"http://h:1\"}\nfaults: none.yaml": "none.yaml",
		"plugins: [{wasm: a.wasm}]":                                                          `there is no cluster "upstream"`,
	} {
		file := filepath.Join(dir, "sim.yaml")
		write(t, file, text)
		s, err := ReadSetup(file)
		if err == nil {
			_, err = s.config(noEnv)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
