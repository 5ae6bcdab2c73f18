// Package differential compares hostsim with real Envoys: request headers tell a probe plugin what
// to do in each callback, and the tests compare what it logs and what the client gets. As the
// probe runs on the SDK under upstream Go, the same cases test that part in Envoy.
package differential

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// probeCase is one request and the probe's instructions; see cases.yaml.
type probeCase struct {
	Name, About string
	Request     string
	Headers     []string
	Body        string
	Chunks      []string
	Size        int
	Script      map[string]string
	Until       string
	// Chain sends the request through three probes instead of one, called one, two and three; the
	// last two share a VM. Script names them: "two.done".
	Chain   bool
	Ends    int // how many of them are called at the end; 0: all
	Differs map[string]string
}

// probes returns the names of the probes in the case's script.
func (c *probeCase) probes() []string {
	if !c.Chain {
		return []string{""}
	}
	return []string{"one.", "two.", "three."}
}

// header returns the request header with a probe's instructions for a callback.
func header(callback string) string {
	if name, callback, found := strings.Cut(callback, "."); found {
		return name + "-probe-" + callback
	}
	return "probe-" + callback
}

// endOfStream is the probe's last log line, unless a case sets another.
const endOfStream = "done: say end -> end"

func loadCases(t *testing.T) []probeCase {
	t.Helper()
	text, err := os.ReadFile("cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []probeCase
	if err := yaml.UnmarshalWithOptions(text, &cases, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range cases {
		c := &cases[i]
		if slices.Contains(names, c.Name) {
			t.Fatalf("%q is repeated", c.Name)
		}
		names = append(names, c.Name)
		if c.Script == nil {
			c.Script = map[string]string{}
		}
		for _, name := range c.probes() {
			if c.Script[name+"done"] != "" {
				c.Script[name+"done"] += "; "
			}
			c.Script[name+"done"] += "say end"
		}
		if c.Until == "" {
			c.Until = endOfStream
		}
		if c.Ends == 0 {
			c.Ends = len(c.probes())
		}
	}
	return cases
}
