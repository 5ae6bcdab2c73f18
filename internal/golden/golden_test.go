package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a testing.TB that records its failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(f string, a ...any) { r.failures = append(r.failures, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...); panic(r) }
func (r *recorder) Fatal(a ...any)            { r.Errorf("%v", a); panic(r) }

// run returns the failures of a test.
func run(test func(t testing.TB)) []string {
	r := &recorder{}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		test(r)
	}()
	return r.failures
}

func TestSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	page := func(section string) string {
		return "# Page\n<!-- rows: make update -->\n" + section + "<!-- /rows -->\nend\n"
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	section := func(got string) []string { return run(func(t testing.TB) { Section(t, path, "rows", got) }) }
	write(page("a\n"))

	t.Setenv("CLOAKROOM_UPDATE", "")
	if got := section("a\n"); got != nil {
		t.Errorf("the same: %v", got)
	}
	if got := section("b\n"); len(got) != 1 || !strings.Contains(got[0], "was\n\ta\nand is\n\tb") {
		t.Errorf("another: %v", got)
	}
	t.Setenv("CLOAKROOM_UPDATE", "1")
	if got := section("b\n"); got != nil {
		t.Errorf("written: %v", got)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != page("b\n") {
		t.Errorf("the page is %q (%v)", text, err)
	}
	write("# Page\n")
	if got := section("b\n"); len(got) != 1 || !strings.Contains(got[0], "has no lines") {
		t.Errorf("no section: %v", got)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "x.golden")
	file := func(got string) []string { return run(func(t testing.TB) { File(t, path, got) }) }
	t.Setenv("CLOAKROOM_UPDATE", "")
	if got := file("a"); len(got) != 1 || !strings.Contains(got[0], "make update") {
		t.Errorf("not there: %v", got)
	}
	t.Setenv("CLOAKROOM_UPDATE", "1")
	if got := file("a"); got != nil {
		t.Errorf("written: %v", got)
	}
	t.Setenv("CLOAKROOM_UPDATE", "")
	if got := file("a"); got != nil {
		t.Errorf("the same: %v", got)
	}
	if got := file("a\nb"); len(got) != 1 || !strings.Contains(got[0], "continues") {
		t.Errorf("longer: %v", got)
	}
}
