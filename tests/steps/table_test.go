package steps

import (
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/internal/golden"
	"cloakroom/internal/testenv"
)

// limits are where a step covers less than with the other engines; the steps' tests skip just
// this.
var limits = map[string]map[string]string{
	"signed_cookies": {
		"2 the engine's own place":  "in the cookie",
		"7 login, logout, clean-up": "yes, but without `revocable` a copy of the cookie lives until it ends, as in Django; and Django does not accept a login by another service",
	},
}

// TestGuide compares the table of docs/guide.md with the steps that the tests run.
func TestGuide(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	golden.Section(t, filepath.Join(root, "docs", "guide.md"), "steps", table())
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
