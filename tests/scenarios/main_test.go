package scenarios

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloakroom/tests/stack"
)

var (
	countMu sync.Mutex
	counts  = map[string]int{}
)

// count counts a scenario that a runner is about to run.
func count(runner string) {
	countMu.Lock()
	defer countMu.Unlock()
	counts[runner]++
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := summarize(code); err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

// summarize writes how many scenarios ran where, for `make test` to print.
func summarize(code int) error {
	var parts []string
	for runner, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", runner, n))
	}
	slices.Sort(parts)
	line := fmt.Sprintf("scenarios: %s", strings.Join(parts, ", "))
	if code != 0 {
		line += " (with failures)"
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "summary.txt"), []byte(line+"\n"), 0o644)
}
