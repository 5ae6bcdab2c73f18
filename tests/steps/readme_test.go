package steps

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/tests/stack"
)

var update = flag.Bool("update", false, "write the table into README.md")

// limits are where a step has less than with the other engines; the steps'
// tests leave out just this.
var limits = map[string]map[string]string{
	"signed_cookies": {
		"2 the engine's own place":  "in the cookie",
		"7 login, logout, clean-up": "yes, but without `revocable` a copy of the cookie lives until it ends, as in Django; and Django does not take a login by another service",
	},
}

const (
	tableBegin = "<!-- steps: made by go test ./tests/steps -run Readme -update -->\n"
	tableEnd   = "<!-- /steps -->"
)

// TestReadme holds the README's table to what the tests walk through.
func TestReadme(t *testing.T) {
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("README.md has no %q … %q", tableBegin, tableEnd)
	}
	want := before + tableBegin + table() + tableEnd + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Error("README.md's table of the steps is not what the tests walk through: go test ./tests/steps -run Readme -update")
	}
}

func table() string {
	var out strings.Builder
	out.WriteString("| engine |")
	for _, step := range steps {
		out.WriteString(" " + step.name + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(steps)) + "\n")
	for _, s := range sites {
		out.WriteString("| " + s.Name + " |")
		for _, step := range steps {
			mark := limits[s.Name][step.name]
			if mark == "" {
				mark = "yes"
			}
			out.WriteString(" " + mark + " |")
		}
		out.WriteString("\n")
	}
	return out.String()
}
