package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
)

// pages returns the Markdown files for people, by their paths from the root.
func pages(t *testing.T) []string {
	t.Helper()
	found := slices.Clone(documents)
	for _, pattern := range []string{"docs/*.md", "*.md"} {
		files, err := filepath.Glob(filepath.Join(root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			path, err := filepath.Rel(root(t), file)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, path)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	id      = regexp.MustCompile(`<a id="([^"]+)">`)
)

// TestLinks holds that each link to a file of the repository leads to one, and each anchor to
// a heading.
func TestLinks(t *testing.T) {
	links := 0
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(read(t, root(t), page), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if files, err := filepath.Glob(filepath.Join(root(t), path)); err != nil || len(files) != 1 {
				t.Errorf("%s: there is no file %s", page, path)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, root(t), path)), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, path, anchor)
			}
		}
	}
	if links == 0 {
		t.Error("there are no links")
	}
}

// anchors returns the anchors of a page, as GitHub makes them of headings.
func anchors(text string) []string {
	var all []string
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(match[1]))
		all = append(all, anchor)
	}
	for _, match := range id.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// TestYAML holds that each YAML block of the pages is YAML, and that those that configure the
// filter are accepted by it.
func TestYAML(t *testing.T) {
	configurations := 0
	for _, page := range pages(t) {
		for _, match := range yamlBlock.FindAllStringSubmatch(read(t, root(t), page), -1) {
			var value any
			if err := yaml.Unmarshal([]byte(match[1]), &value); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, match[1])
				continue
			}
			fields, _ := value.(map[string]any)
			if _, ok := fields["engine"]; !ok {
				continue
			}
			configurations++
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := config.Parse(string(text), func(string) (string, bool) { return "a token", true }); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, match[1])
			}
		}
	}
	if configurations < 2 {
		t.Errorf("%d configurations of the filter were found, want README.md's and docs/guide.md's", configurations)
	}
}

// section returns what a page has under a heading of the second level.
func section(t *testing.T, page, title string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, root(t), page), "\n## "+title+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// TestReferenceCounters holds that docs/reference.md has every counter, and no other.
func TestReferenceCounters(t *testing.T) {
	want := []string{"callouts"}
	for _, name := range filter.Outcomes {
		want = append(want, name)
	}
	got := words(section(t, "docs/reference.md", "Counters"), "`([a-z_]+)`")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the counters are\n%v, want\n%v", got, want)
	}
}

// TestReferenceDetails holds that docs/reference.md has the response code details that some scenario
// has of a proxy, those that tests of their own have, and no other.
func TestReferenceDetails(t *testing.T) {
	want := []string{"cloakroom", "cloakroom_overloaded", "cloakroom_ended", "cloakroom_no_cluster"}
	files, err := filepath.Glob(filepath.Join(root(t), "tests", "scenarios", "corpus", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, words(string(text), "details: (cloakroom[a-z_]*)")...)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if got := words(section(t, "docs/reference.md", "Response code details"), "`(cloakroom[a-z_]*)`"); !slices.Equal(got, want) {
		t.Errorf("the details are\n%v, want\n%v", got, want)
	}
}

// TestReferencePaths holds that docs/reference.md has every path of the session service.
func TestReferencePaths(t *testing.T) {
	got := words(section(t, "docs/reference.md", "HTTP API of the session service"), "`(/[a-z0-9/]+)`")
	want := append(api.Calls(), api.Batch, api.Feed, "/healthz", "/metrics", "/readyz")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the paths are\n%v, want\n%v", got, want)
	}
}

// words returns what a pattern's group matches in a text, sorted, each once.
func words(text, pattern string) []string {
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestREADMEIsShort holds README.md to what a newcomer reads in five minutes.
func TestREADMEIsShort(t *testing.T) {
	if n := len(strings.Fields(read(t, root(t), "README.md"))); n > 1300 {
		t.Errorf("README.md has %d words, want 1,300 at the most: the rest belongs into docs/", n)
	}
}
