package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Off is the target of Open that writes nothing.
const Off = "off"

// Open returns a log that writes to a file, to which it appends, or for "-" to stderr; nil for
// Off. A file that was moved away is opened anew, so that logs can be rotated.
func Open(target string, stderr io.Writer, o Options) (*Log, error) {
	switch target {
	case Off:
		return nil, nil //nolint:nilnil // a Log whose methods do nothing
	case "-":
		return New(stderr, o), nil
	}
	f := &file{path: target}
	if err := f.open(); err != nil {
		return nil, err
	}
	return New(f, o), nil
}

// file is a file that follows its name.
type file struct {
	path string

	mu sync.Mutex
	f  *os.File
}

func (f *file) open() error {
	// Opening a pipe without a reader, and writing to one that is full, would wait.
	info, err := os.Stat(f.path)
	if err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket|os.ModeDir) != 0 {
		return fmt.Errorf("the audit log %s is no regular file", f.path)
	}
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if f.f != nil {
		_ = f.f.Close()
	}
	f.f = opened
	return nil
}

// Write appends a line. Where the file cannot be opened anew, it goes to the one that is open, and
// the error is returned.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var reopening error
	if !f.current() {
		reopening = f.open()
	}
	n, err := f.f.Write(line)
	return n, errors.Join(err, reopening)
}

// current reports whether the open file is the one of the name.
func (f *file) current() bool {
	named, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	opened, err := f.f.Stat()
	return err == nil && os.SameFile(named, opened)
}
