// Package docs checks what the documentation says against the repository.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// documents name tests as folder.TestName, in backticks.
var documents = []string{"SECURITY.md", "docs/asvs.md", "docs/guide.md", "docs/identity.md", "docs/operations.md", "docs/internals.md", "docs/reference.md", "docs/istio.md", "docs/envoy-gateway.md", "CHANGELOG.md", "RATIONALE.md", "README.md"}

var (
	// quoted matches text in backticks that names a test.
	quoted = regexp.MustCompile("`([^`\\s]*\\b(?:Test|Fuzz)[A-Z][^`\\s]*)`")
	// named splits it into the folder and the function.
	named = regexp.MustCompile(`^([a-z0-9_/]+)\.((?:Test|Fuzz)[A-Za-z0-9_]+)$`)
)

// TestNamedTests holds that each test that the documents name exists.
func TestNamedTests(t *testing.T) {
	root := root(t)
	for _, document := range documents {
		for _, match := range quoted.FindAllStringSubmatch(read(t, root, document), -1) {
			parts := named.FindStringSubmatch(match[1])
			if parts == nil {
				t.Errorf("%s: %s is not of the form folder.TestName", document, match[1])
				continue
			}
			if !hasTest(t, filepath.Join(root, parts[1]), parts[2]) {
				t.Errorf("%s: there is no test %s", document, match[1])
			}
		}
	}
}

// scenario matches the name of a scenario behind a test's.
var scenario = regexp.MustCompile("`tests/scenarios\\.[A-Za-z0-9]+` \\(\"([^\"]+)\"\\)")

// TestNamedScenarios holds that each scenario that docs/asvs.md names exists.
func TestNamedScenarios(t *testing.T) {
	root := root(t)
	files, err := filepath.Glob(filepath.Join(root, "tests", "scenarios", "corpus", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	corpus := ""
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		corpus += "\n" + string(text)
	}
	matches := scenario.FindAllStringSubmatch(read(t, root, "docs/asvs.md"), -1)
	if len(matches) == 0 {
		t.Error("docs/asvs.md names no scenario")
	}
	for _, match := range matches {
		if !strings.Contains(corpus, "\n- name: "+match[1]+"\n") {
			t.Errorf("docs/asvs.md: there is no scenario %q", match[1])
		}
	}
}

// TestPromises holds that each row of SECURITY.md's tables of promises names a test.
func TestPromises(t *testing.T) {
	_, rest, ok := strings.Cut(read(t, root(t), "SECURITY.md"), "\n## What is promised\n")
	section, _, ended := strings.Cut(rest, "\n## ")
	if !ok || !ended {
		t.Fatal(`SECURITY.md has no section "What is promised" with another after it`)
	}
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise |") {
			continue
		}
		if rows++; !quoted.MatchString(line) {
			t.Errorf("a promise without a test: %s", line)
		}
	}
	if rows == 0 {
		t.Error("SECURITY.md promises nothing")
	}
}

// hasTest reports whether a test file in a folder has a function of the name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

func root(t *testing.T) string {
	t.Helper()
	path, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
