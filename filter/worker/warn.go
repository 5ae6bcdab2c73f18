package worker

import (
	"strconv"
	"time"
)

// warn adds a warning to the output. Of several in a second the first is logged, and the next
// one that is logged has the number of those left out.
func (w *Worker) warn(message string) {
	omitted, ok := w.warnings.pass(w.now)
	if !ok {
		return
	}
	if omitted > 0 {
		message += " (" + strconv.Itoa(omitted) + " warnings before this were left out)"
	}
	w.out.Warnings = append(w.out.Warnings, message)
}

// limiter passes one event a second, and counts the others.
type limiter struct {
	next    time.Time
	omitted int
}

// pass reports whether an event passes, and how many did not since the last that did. A clock
// that was set back does not hold events for longer than a second.
func (l *limiter) pass(now time.Time) (omitted int, ok bool) {
	if wait := l.next.Sub(now); wait > 0 && wait <= time.Second {
		l.omitted++
		return 0, false
	}
	omitted = l.omitted
	l.next, l.omitted = now.Add(time.Second), 0
	return omitted, true
}
