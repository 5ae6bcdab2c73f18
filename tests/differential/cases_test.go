// Package differential holds hostsim against real Envoys: a probe plugin is told
// by request headers what to do in each callback, and what it logged and what
// the client got are compared. As the probe runs on the SDK under upstream Go,
// the same cases prove that part in Envoy.
package differential

import (
	"os"
	"slices"
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
	Differs     map[string]string
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
		if c.Script["done"] != "" {
			c.Script["done"] += "; "
		}
		c.Script["done"] += "say end"
		if c.Until == "" {
			c.Until = endOfStream
		}
	}
	return cases
}
