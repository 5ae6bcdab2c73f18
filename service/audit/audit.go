// Package audit writes what happens to sessions as lines of JSON: logins, ends, revocations,
// refusals, new keys and their theft. The names of the events are those of OWASP's Logging
// Vocabulary, and docs/operations.md has the table of them.
//
// A line holds neither session keys nor tokens. What is written by another process or chosen by a
// client is bounded in length and cannot begin a line of its own.
package audit

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"cloakroom/api"
	"cloakroom/session"
)

// Record is one event. Empty fields are left out of its line.
type Record struct {
	Event  Event
	Reason Reason
	// User is the ID of the account.
	User string
	// Session and Previous are session keys, of which the line has the session.ID: the
	// session's, and the one that it replaced.
	Session, Previous string
	// All reports that the event is about all of the user's sessions, of which Ended were stored
	// and have ended, and with Before only those in cookies that began by then.
	All    bool
	Ended  int
	Before time.Time
	// Incomplete reports that some of the sessions could not be ended.
	Incomplete bool
	// Actor is the operating system's user who ran a command; empty for the service.
	Actor string
	// Trace is that of the client's request.
	Trace api.Trace
}

// Options are what New needs besides the writer. Zero values are defaults.
type Options struct {
	// Log receives errors of writing, one a second at most; default slog.Default.
	Log *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Queue is how many lines may wait for a writer that hangs; 0: Write waits for the writer.
	Queue int
}

// Log writes records. Its methods may be called concurrently, and on nil, where nothing is
// written.
type Log struct {
	Options
	handler slog.Handler
	queue   *queue // nil: there is none
	errors  atomic.Uint64
	warned  atomic.Int64  // when an error was last logged, in Unix nanoseconds
	warning chan struct{} // has room for one error that is being logged

	mu      sync.Mutex
	seen    seen
	capped  limiter
	omitted uint64
}

// Stats are counts since New.
type Stats struct {
	// Errors are the lines that could not be written, Omitted those over the limit of the events
	// that have one.
	Errors, Omitted uint64
}

// maxPerSecond bounds the lines of those events that clients can cause at will.
const maxPerSecond = 100

// New returns a log that writes each record to w, as one line in one call of Write.
func New(w io.Writer, o Options) *Log {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{Options: o, warning: make(chan struct{}, 1), seen: newSeen(), capped: limiter{max: maxPerSecond}}
	if o.Queue > 0 {
		l.queue = newQueue(w, o.Queue, l.failed)
		w = l.queue
	}
	l.handler = slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.MessageKey && len(groups) == 0 {
			a.Key = "event"
		}
		return a
	}})
	return l
}

// Stats returns the counts.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Errors: l.errors.Load(), Omitted: l.omitted}
}

// Close writes what is queued. Nothing may be written any more.
func (l *Log) Close() error {
	if l == nil || l.queue == nil {
		return nil
	}
	return l.queue.Close()
}

// Write writes a record. Events that can be caused at will (see Event.Capped) are written 100 times
// a second at most, and the next line has how many were left out; all others are always written.
// The error is also logged and counted.
func (l *Log) Write(r Record) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.write(r)
	return err
}

// WriteOnce is Write for the first of records with the same event, reason and session that could be
// written. Which were is kept of the last few thousand.
func (l *Log) WriteOnce(r Record) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := string(r.Event) + " " + string(r.Reason) + " " + session.ID(r.Session)
	if l.seen.has(name) {
		return
	}
	if written, _ := l.write(r); written { // an error is logged and counted
		l.seen.add(name)
	}
}

// write writes a record, and reports whether it was written, and not left out or lost.
func (l *Log) write(r Record) (written bool, err error) {
	now, omitted := l.Now(), 0
	if r.Event.Capped() {
		var ok bool
		if omitted, ok = l.capped.pass(now); !ok {
			l.omitted++
			return false, nil
		}
	}
	line := slog.NewRecord(now.UTC(), r.Event.level(), string(r.Event), 0)
	line.AddAttrs(r.attrs(omitted)...)
	if err = l.handler.Handle(context.Background(), line); err != nil {
		l.failed(err)
	}
	return err == nil, err
}

// failed counts an error of writing and logs it, once a second at most, and not while one is being
// logged: the log may hang as the writer does.
func (l *Log) failed(err error) {
	lost, now := l.errors.Add(1), l.Now().UnixNano()
	if since := now - l.warned.Load(); since >= 0 && since < int64(time.Second) {
		return
	}
	select {
	case l.warning <- struct{}{}:
		l.warned.Store(now)
		go func() {
			l.Log.Error("the audit log cannot be written: events are lost", "error", err, "lost", lost)
			<-l.warning
		}()
	default:
	}
}

// maxText bounds what a line holds of a text, in bytes.
const maxText = 255

func (r *Record) attrs(omitted int) (all []slog.Attr) {
	text := func(name, value string) {
		if value != "" {
			all = append(all, slog.String(name, bounded(value)))
		}
	}
	id := func(name, key string) {
		if key != "" {
			all = append(all, slog.String(name, session.ID(key)))
		}
	}
	text("reason", string(r.Reason))
	text("user", r.User)
	id("session", r.Session)
	id("previous", r.Previous)
	if r.All {
		all = append(all, slog.Bool("all", true), slog.Int("ended", r.Ended))
	}
	if !r.Before.IsZero() {
		all = append(all, slog.Time("before", r.Before.UTC()))
	}
	if r.Incomplete {
		all = append(all, slog.Bool("incomplete", true))
	}
	text("actor", r.Actor)
	text("request_id", r.Trace.RequestID)
	text("traceparent", r.Trace.Parent)
	if omitted > 0 {
		all = append(all, slog.Int("omitted", omitted))
	}
	return all
}

// bounded returns the beginning of a text, in valid UTF-8, and without DEL and the control
// characters behind it, which JSON does not escape.
func bounded(text string) string {
	if len(text) > maxText {
		end := maxText
		for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x7f && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
