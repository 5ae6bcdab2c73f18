package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// runners are the runners of the corpus.
var runners = []string{"core", "hostsim", "envoy"}

// loadCorpus returns the scenarios that a runner runs.
func loadCorpus(t testing.TB, runner string) []scenario {
	t.Helper()
	files, err := filepath.Glob("corpus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in corpus/: %v", err)
	}
	var all []scenario
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		some, err := parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range some {
			same := slices.IndexFunc(all, func(other scenario) bool { return other.Name == s.Name })
			if same >= 0 {
				t.Fatalf("%s: %q is at %s already", s.at, s.Name, all[same].at)
			}
			all = append(all, s)
		}
	}
	return slices.DeleteFunc(all, func(s scenario) bool { return s.NotOn[runner] != "" })
}

// parse reads the scenarios of a file. Errors begin with file:line.
func parse(file string, text []byte) ([]scenario, error) {
	document, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, located(file, 1, err)
	}
	if len(document.Docs) != 1 {
		return nil, fmt.Errorf("%s:1: must be one YAML document", file)
	}
	list, ok := document.Docs[0].Body.(*ast.SequenceNode)
	if !ok {
		return nil, fmt.Errorf("%s:1: must be a list of scenarios", file)
	}
	all := make([]scenario, len(list.Values))
	for i, node := range list.Values {
		s := &all[i]
		line := firstLine(node)
		if err := yaml.NodeToValue(node, s, yaml.Strict()); err != nil {
			return nil, located(file, line, err)
		}
		s.at = fmt.Sprintf("%s:%d", file, line)
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", s.at, s.Name, err)
		}
		if len(s.Routes) == 0 {
			s.Routes = []route{{Name: "all", Prefix: "/"}}
		}
	}
	return all, nil
}

// firstLine returns the line of the first key of a mapping.
func firstLine(node ast.Node) int {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	return node.GetToken().Position.Line
}

// located puts a position before an error, the error's own if it has one.
func located(file string, line int, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", file, syntax.GetToken().Position.Line, syntax.GetMessage())
	}
	return fmt.Errorf("%s:%d: %w", file, line, err)
}

func (s *scenario) check() error {
	if s.Name == "" || s.About == "" || len(s.Steps) == 0 {
		return errors.New("a scenario needs a name, a sentence about it, and steps")
	}
	for runner, reason := range s.NotOn {
		if !slices.Contains(runners, runner) || reason == "" {
			return fmt.Errorf("not_on: %q: must be one of %s, with the reason", runner, strings.Join(runners, ", "))
		}
	}
	for i, step := range s.Steps {
		if err := s.checkStep(step); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *scenario) checkStep(step step) error {
	if len(strings.Fields(step.Request)) != 2 {
		return fmt.Errorf("request %q is no method and target", step.Request)
	}
	if _, known := faults[step.Fault]; !known {
		return fmt.Errorf("no fault is called %q", step.Fault)
	}
	if step.Want.Status == 0 {
		return errors.New("wants no status")
	}
	for name, state := range step.Want.Store {
		if _, known := s.Sessions[name]; !known || !slices.Contains([]string{"live", "gone", "extended"}, state) {
			return fmt.Errorf("store: %s: %s: must be a session of the scenario that is live, gone or extended", name, state)
		}
	}
	texts := slices.Concat(step.Headers, step.Upstream.Headers, step.Want.Calls)
	for _, headers := range []map[string]*string{step.Want.Headers, step.Want.Upstream} {
		for name, value := range headers {
			if value == nil {
				continue
			}
			texts = append(texts, *value)
			if pattern, ok := strings.CutPrefix(*value, "~"); ok {
				if _, err := regexp.Compile(pattern); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	for _, text := range texts {
		for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
			_, stored := s.Sessions[found[1]]
			if _, signed := s.Signed[found[1]]; !stored && !signed {
				return fmt.Errorf("%q: no session is called %s", text, found[1])
			}
		}
	}
	return nil
}

// placeholder matches {NAME}; the names of sessions begin with a capital.
var placeholder = regexp.MustCompile(`\{([A-Z][A-Za-z]*)\}`)

// TestParse checks that errors in scenarios are reported with their position.
func TestParse(t *testing.T) {
	const good = "- name: a\n  about: b\n  steps: [{request: GET /, want: {status: 200}}]\n"
	tests := []struct{ name, text, want string }{
		{"good", good, ""},
		{"syntax", good + "- name: [\n", "f:4:"},
		{"no list", "name: a\n", "f:1: must be a list"},
		{"unknown field", good + "- name: c\n  abuot: d\n", `f:5: unknown field "abuot"`},
		{"unknown field within", good + "- name: c\n  about: d\n  steps:\n  - request: GET /\n    want: {satus: 200}\n", `f:8: unknown field "satus"`},
		{"a number for a text", good + "- name: [1]\n", "f:4:"},
		{"no steps", good + "\n# b\n- name: c\n  about: d\n", `f:6: "c": a scenario needs`},
		{"no status", good + "- name: c\n  about: d\n  steps: [{request: GET /}]\n", `f:4: "c": step 1: wants no status`},
		{"no target", good + "- name: c\n  about: d\n  steps: [{request: GET, want: {status: 200}}]\n", `f:4: "c": step 1: request "GET"`},
		{"unknown fault", good + "- name: c\n  about: d\n  steps: [{request: GET /, fault: x, want: {status: 200}}]\n", `f:4: "c": step 1: no fault`},
		{"unknown runner", good + "- name: c\n  about: d\n  not_on: {nginx: r}\n  steps: [{request: GET /, want: {status: 200}}]\n", `f:4: "c": not_on: "nginx"`},
		{"no reason", good + "- name: c\n  about: d\n  not_on: {core: ''}\n  steps: [{request: GET /, want: {status: 200}}]\n", `f:4: "c": not_on: "core"`},
		{"unknown session", good + "- name: c\n  about: d\n  steps: [{request: GET /, headers: ['Cookie: s={Bob}'], want: {status: 200}}]\n", "no session is called Bob"},
		{"bad pattern", good + "- name: c\n  about: d\n  steps: [{request: GET /, want: {status: 200, headers: {vary: '~('}}}]\n", "step 1: vary: error parsing regexp"},
		{"unknown state", good + "- name: c\n  about: d\n  sessions: {Bob: {}}\n  steps: [{request: GET /, want: {status: 200, store: {Bob: alive}}}]\n", "store: Bob: alive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("f", []byte(tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "f:") || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}
