// Package scenarios runs one corpus of scenarios against the pure core, against
// the wasm in hostsim, and against real Envoys, so that they cannot drift apart.
//
// A scenario is data, in corpus/*.yaml; the types below are its format.
package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// scenario is one situation: a configuration, what the store holds, and
// requests with what has to come of each.
type scenario struct {
	Name string
	// About is the sentence that a reader of a failure needs.
	About string
	// Config lies over baseConfig.
	Config map[string]any
	// Routes are matched in their order; without any, one of the name "all"
	// matches everything.
	Routes []route
	// Sessions are in the store beforehand. {NAME} in headers, and in what is
	// wanted of them, stands for the session's key.
	Sessions map[string]stored
	// Stopped means that nothing listens where the session service should be.
	Stopped bool
	Steps   []step
	// Only names the runners that can show it, with the reason in About;
	// empty: all.
	Only []string
}

type route struct {
	Name, Path, Prefix string
	Metadata           map[string]map[string]any
}

type stored struct {
	Data map[string]any
	// Expires is counted from the scenario's start; negative: it has ended.
	Expires time.Duration
}

type step struct {
	// Request is a method and a target, such as "GET /a?b=1".
	Request string
	// Headers are lines, sent as they stand. {pad N} stands for N letters.
	Headers []string
	// Fault is how the session service misbehaves; see faults. Empty: not.
	Fault string
	// Upstream is what the upstream answers; without it 200 and no headers.
	Upstream struct {
		Status  int
		Headers []string
	}
	Want want
}

// want is what has to come of a step. In header maps a value that begins with
// "~" is a regular expression, null means that the header is absent.
type want struct {
	Status  int
	Headers map[string]*string
	Body    string // a part of it
	// Reached says whether the upstream got the request; Upstream, what
	// headers it had.
	Reached  bool
	Upstream map[string]*string
	// Calls are the paths that the session service was asked, in order.
	Calls []string
	// Store says of sessions whether they are live, gone, or extended.
	Store map[string]string
}

func loadCorpus(t testing.TB) []scenario {
	t.Helper()
	files, err := filepath.Glob("corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in corpus/: %v", err)
	}
	var all []scenario
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []scenario
		if err := yaml.UnmarshalWithOptions(text, &some, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, s := range some {
			if err := s.check(); err != nil {
				t.Fatalf("%s: %q: %v", file, s.Name, err)
			}
			if slices.Contains(names, s.Name) {
				t.Fatalf("%s: %q stands twice", file, s.Name)
			}
			names = append(names, s.Name)
			if len(s.Routes) == 0 {
				s.Routes = []route{{Name: "all", Prefix: "/"}}
			}
			all = append(all, s)
		}
	}
	return all
}

func (s *scenario) check() error {
	if s.Name == "" || s.About == "" || len(s.Steps) == 0 {
		return fmt.Errorf("a scenario needs a name, a sentence about it, and steps")
	}
	for i, step := range s.Steps {
		if len(strings.Fields(step.Request)) != 2 {
			return fmt.Errorf("step %d: request %q is no method and target", i+1, step.Request)
		}
		if _, known := faults[step.Fault]; !known {
			return fmt.Errorf("step %d: no fault is called %q", i+1, step.Fault)
		}
		if step.Want.Status == 0 {
			return fmt.Errorf("step %d: wants no status", i+1)
		}
	}
	return nil
}

// runsOn reports whether a runner shows the scenario.
func (s *scenario) runsOn(runner string) bool {
	return len(s.Only) == 0 || slices.Contains(s.Only, runner)
}
