package audit

import "time"

// maxSeen is how many records WriteOnce keeps apart.
const maxSeen = 4096

// seen is the set of the last maxSeen names.
type seen struct {
	names map[string]bool
	order []string // a ring; next is the oldest, once it is full
	next  int
}

func newSeen() seen { return seen{names: map[string]bool{}} }

func (s *seen) has(name string) bool { return s.names[name] }

// add adds a name that is not in the set, in place of the oldest where it is full.
func (s *seen) add(name string) {
	if len(s.order) < maxSeen {
		s.order = append(s.order, name)
	} else {
		delete(s.names, s.order[s.next])
		s.order[s.next] = name
		s.next = (s.next + 1) % maxSeen
	}
	s.names[name] = true
}

// limiter passes max events a second, and counts the others.
type limiter struct {
	max, passed, omitted int
	until                time.Time
}

// pass reports whether an event passes, and how many did not since the last that did.
func (l *limiter) pass(now time.Time) (omitted int, ok bool) {
	if !now.Before(l.until) || l.until.Sub(now) > time.Second { // the second is over, or the clock was set back
		l.until, l.passed = now.Add(time.Second), 0
	}
	if l.passed >= l.max {
		l.omitted++
		return 0, false
	}
	l.passed++
	omitted, l.omitted = l.omitted, 0
	return omitted, true
}
