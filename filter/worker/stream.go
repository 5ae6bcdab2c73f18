package worker

import (
	"strings"
	"time"

	"cloakroom/filter"
)

// Stream is one HTTP stream of a worker. The caller sets ID, keeps it at its place from
// Request to StreamDone, and may use it for another stream then.
type Stream struct {
	// ID is the host's.
	ID uint32

	filter      filter.Stream
	lookups     *lookups // whose cache it uses; nil: none
	serial      uint32   // counts the requests that this memory served
	direction   Direction
	paused      bool   // waits for the service
	waitBytes   int    // of its callout
	coalesceKey string // of the look-up that it waits for
	checked     time.Time
	watch       *watch
	watchAt     int // its place among the watch's streams

	// Its place in a list of streams that wait, and in the backlog.
	list       *streamList
	next, prev *Stream
	queued     bool
	todo       job
}

// SkipsResponse reports whether Response has nothing to do, whatever the response.
func (s *Stream) SkipsResponse() bool { return s.filter.SkipsResponse() }

// Unanswered reports whether the stream's request has passed, and no response has come.
func (s *Stream) Unanswered() bool { return s.filter.Unanswered() }

// Open reports whether the response's headers have passed.
func (s *Stream) Open() bool { return s.filter.Open() }

// NeedsTime reports whether Response uses the time.
func (s *Stream) NeedsTime() bool { return s.filter.NeedsTime() }

// Resumed drops what the stream needed until its headers were edited.
func (s *Stream) Resumed() { s.filter.Resumed() }

// streamList is a list of streams, each of which is in one list at most.
type streamList struct{ first, last *Stream }

func (l *streamList) add(s *Stream) {
	s.list, s.prev, s.next = l, l.last, nil
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

func (l *streamList) remove(s *Stream) {
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.list, s.prev, s.next = nil, nil, nil
}

// job is what is left to do about a stream.
type job struct {
	close  bool
	own    bool // answer is that of a callout of its own
	answer filter.Answer
	result *filter.LookupResult // of the look-up that it shared
}

// queue is the streams that later callbacks go on with, in order.
type queue struct {
	streams streamList
	n       int
}

func (q *queue) len() int { return q.n }

// add queues a stream. One that is queued to go on and is to be closed is closed.
func (q *queue) add(s *Stream, j job) {
	if s.queued {
		if j.close {
			s.todo = j
		}
		return
	}
	s.queued, s.todo = true, j
	q.streams.add(s)
	q.n++
}

func (q *queue) take() (*Stream, job) {
	s := q.streams.first
	j := s.todo
	q.remove(s)
	return s, j
}

func (q *queue) remove(s *Stream) {
	if s.queued {
		q.streams.remove(s)
		s.queued, s.todo = false, job{}
		q.n--
	}
}

// clone returns a copy of a text that is only lent.
func clone(text string) string { return strings.Clone(text) }
