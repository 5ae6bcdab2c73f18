package hostsim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Transcript keeps the lines of Config.Trace: set it to the Add of one.
type Transcript struct {
	mu    sync.Mutex
	lines []string
}

// Add takes one line.
func (t *Transcript) Add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

// String gives all lines so far.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines, ""), "\n")
}

// Reset forgets the lines, for example those of the start.
func (t *Transcript) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// Test is what Golden needs of a *testing.T.
type Test interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Golden compares the transcript with a file; with update it writes the file
// instead. What a guest sees is the same from run to run where requests come one
// after the other, with an x-request-id of their own, under a VirtualClock.
func (t *Transcript) Golden(test Test, file string, update bool) {
	test.Helper()
	got := t.String()
	if update {
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(got), 0o644)
		}
		if err != nil {
			test.Fatalf("golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		test.Fatalf("golden file: %v (run the test with -update to write it)", err)
	}
	if line := firstDifference(string(want), got); line != "" {
		test.Errorf("the transcript is not that of %s (run the test with -update if it should be):\n%s", file, line)
	}
}

func firstDifference(want, got string) string {
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wants), len(gots)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(wants) {
			a = wants[i]
		}
		if i < len(gots) {
			b = gots[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n want %s\n  got %s", i+1, a, b)
		}
	}
	return ""
}
