package differential

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloakroom/internal/golden"
	"cloakroom/internal/testenv"
)

const tableHead = `# What hostsim was held against

Each row is one request through a probe plugin that is run, unchanged, in Envoy 1.40.0, in Envoy 1.36.2 and in hostsim; what
the plugin logged and what the client got is compared with Envoy 1.40.0. Made by
` + "`make update`" + `; the test fails where it is not true.

| case | what the probe does, callback by callback | Envoy 1.36.2 | hostsim |
|---|---|---|---|
`

// did returns a line that describes what the probe does.
func (c probeCase) did() string {
	callbacks := make([]string, 0, len(c.Script))
	for callback, script := range c.Script {
		words := strings.Fields(script)
		for i, word := range words {
			if len(word) > 48 { // the bytes of a message
				words[i] = word[:16] + "…"
			}
		}
		callbacks = append(callbacks, callback+": "+strings.Join(words, " "))
	}
	slices.Sort(callbacks)
	if len(callbacks) == 0 {
		return c.Request
	}
	return c.Request + " · " + strings.Join(callbacks, " · ")
}

// checkTable compares the document with the results.
func checkTable(t *testing.T, table string) {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, filepath.Join(root, "hostsim", "CASES.md"), table)
}
