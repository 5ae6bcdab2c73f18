package audit

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// errFull is the error of a line for which there is no room, since the writer hangs.
var errFull = errors.New("audit: the writer hangs, and too many lines wait for it")

const (
	// patience is how long a line is waited for. In the usual case it is written when Write returns.
	patience = 100 * time.Millisecond
	// closing bounds how long Close waits.
	closing = 5 * time.Second
)

// queue is a writer that does not wait for one that hangs.
type queue struct {
	lines   chan *entry
	hangs   atomic.Bool // then lines are not waited for
	drained chan struct{}
	failed  func(error) // of lines that nothing waits for any more
}

type entry struct {
	line []byte
	done chan error
	left atomic.Bool // by the first of: it is not waited for any more, it is written
}

func newQueue(w io.Writer, size int, failed func(error)) *queue {
	q := &queue{lines: make(chan *entry, size), drained: make(chan struct{}), failed: failed}
	go func() {
		defer close(q.drained)
		for e := range q.lines {
			if e == nil {
				return
			}
			_, err := w.Write(e.line)
			q.hangs.Store(false)
			if left := !e.left.CompareAndSwap(false, true); left && err != nil {
				q.failed(err)
			}
			e.done <- err
		}
	}()
	return q
}

// Write writes a line, and waits for it unless the writer hangs. An error of a line that is not
// waited for goes to failed.
func (q *queue) Write(line []byte) (int, error) {
	e := &entry{line: bytes.Clone(line), done: make(chan error, 1)}
	hangs := q.hangs.Load()
	if hangs {
		e.left.Store(true)
	}
	select {
	case q.lines <- e:
	default:
		return 0, errFull
	}
	if hangs {
		return len(line), nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-e.done:
		return len(line), err
	case <-timer.C:
	}
	if e.left.CompareAndSwap(false, true) {
		q.hangs.Store(true)
		return len(line), nil
	}
	return len(line), <-e.done
}

// Close writes what is queued, unless the writer hangs.
func (q *queue) Close() error {
	timer := time.NewTimer(closing)
	defer timer.Stop()
	select {
	case q.lines <- nil:
	case <-timer.C:
		return errFull
	}
	select {
	case <-q.drained:
		return nil
	case <-timer.C:
		return errFull
	}
}
