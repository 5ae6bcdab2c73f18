package scenarios

import (
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloakroom/internal/testenv"
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
	return testenv.Summarize("summary", line)
}
