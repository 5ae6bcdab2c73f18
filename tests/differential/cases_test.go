// Package differential holds hostsim against real Envoys: a probe plugin is told
// by request headers what to do in each callback, and what it logged and what
// the client got are compared. As the probe runs on the SDK under upstream Go,
// the same cases prove that part in Envoy.
package differential

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// probeCase is one request and what the probe is to do; see cases.yaml.
type probeCase struct {
	Name, About string
	Request     string
	Headers     []string
	Body        string
	Chunks      []string
	Size        int
	Script      map[string]string
	Until       string
	// Chain has the request pass three probes instead of one, called one, two and
	// three; the last two share a VM. Script names them: "two.done".
	Chain   bool
	Ends    int // how many of them see the end; 0: all
	Differs map[string]string
}

// probes are what the probes' callbacks are called by.
func (c *probeCase) probes() []string {
	if !c.Chain {
		return []string{""}
	}
	return []string{"one.", "two.", "three."}
}

// header is the request header that tells a probe what to do in a callback.
func header(callback string) string {
	if name, callback, found := strings.Cut(callback, "."); found {
		return name + "-probe-" + callback
	}
	return "probe-" + callback
}

// endOfStream is what the probe logs last, unless a case says otherwise.
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
			t.Fatalf("%q stands twice", c.Name)
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
