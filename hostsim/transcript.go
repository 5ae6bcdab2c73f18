package hostsim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Transcript records the lines of Config.Trace, which must be set to its method Add. It is
// safe for concurrent use.
type Transcript struct {
	mu    sync.Mutex
	lines []string
}

// Add appends one line.
func (t *Transcript) Add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

// String returns all lines, each ended by a newline.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines, ""), "\n")
}

// Reset removes all lines, for example those of the start.
func (t *Transcript) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// Test is the part of *testing.T that Golden uses.
type Test interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Golden compares the transcript with a file, or with update writes the file. A transcript is
// reproducible if requests come one after the other, have their own x-request-id, and the
// clock is a VirtualClock.
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
		test.Errorf("the transcript differs from %s (to accept it, run the test with -update):\n%s", file, line)
	}
}

// firstDifference describes the first line that differs, or returns "".
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
