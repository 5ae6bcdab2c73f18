// Package golden compares results of tests with files of the repository, and writes these files
// instead under make update.
package golden

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Updating reports whether the environment requests that the files are written: CLOAKROOM_UPDATE
// is not empty.
func Updating() bool { return os.Getenv("CLOAKROOM_UPDATE") != "" }

// File fails the test unless the file at path holds got. Under Updating it writes the file, and
// missing folders.
func File(t testing.TB, path, got string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !(Updating() && errors.Is(err, fs.ErrNotExist)) {
		t.Fatalf("%v (make update writes it)", err)
	}
	if err == nil && string(text) == got {
		return
	}
	if !Updating() {
		t.Errorf("%s differs from the test's result; make update writes it. %s", path, difference(string(text), got))
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Section is File for a part of a Markdown file: the lines between "<!-- name: make update -->"
// and "<!-- /name -->".
func Section(t testing.TB, path, name, got string) {
	t.Helper()
	first, last := "<!-- "+name+": make update -->\n", "<!-- /"+name+" -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), first)
	_, after, ended := strings.Cut(rest, last)
	if !found || !ended {
		t.Fatalf("%s has no lines %q and %q", path, first, last)
	}
	File(t, path, before+first+got+last+after)
}

// difference returns the first line in which two texts differ.
func difference(kept, got string) string {
	a, b := strings.Split(kept, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "The first line that differs was\n\t" + a[i] + "\nand is\n\t" + b[i]
		}
	}
	return "One of them continues where the other ends."
}
