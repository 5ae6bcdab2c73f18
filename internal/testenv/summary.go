package testenv

import (
	"os"
	"path/filepath"
	"strings"
)

// Summarize writes a line for make test to print at its end, in the place of an earlier one of
// the same name. Slashes and spaces in a name become dashes.
func Summarize(name, line string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name = strings.NewReplacer("/", "-", " ", "-").Replace(name)
	return os.WriteFile(filepath.Join(dir, name+".txt"), []byte(line+"\n"), 0o644)
}
