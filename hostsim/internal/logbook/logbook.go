// Package logbook stores the log of the guests.
package logbook

import (
	"slices"
	"strings"
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// keptEntries is the number of entries that are kept at least; the oldest are dropped first.
const keptEntries = 10_000

// Entry is one line: of a guest, or of the host about a guest.
type Entry struct {
	Level   abi.Level
	Message string
}

// Book stores the entries at or above a level and passes each to a sink. It is safe for
// concurrent use.
type Book struct {
	mu      sync.Mutex
	level   abi.Level
	entries []Entry
	sink    func(abi.Level, string)

	// A line that a guest has begun on standard output or standard error; Go's runtime
	// prints a panic in pieces.
	partial      string
	partialLevel abi.Level
}

// Add logs one line.
func (b *Book) Add(l abi.Level, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushPartial()
	b.put(l, message)
}

// Write logs what a guest wrote to standard output or standard error. Text that does not end
// with a newline is logged together with what follows.
func (b *Book) Write(l abi.Level, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.partialLevel != l {
		b.flushPartial()
	}
	whole, ended := strings.CutSuffix(b.partial+text, "\n")
	b.partial, b.partialLevel = whole, l
	if ended {
		b.partial = ""
		b.put(l, whole)
	}
}

// flushPartial logs the line that a guest has begun.
func (b *Book) flushPartial() {
	if b.partial != "" {
		b.put(b.partialLevel, b.partial)
		b.partial = ""
	}
}

// put stores one line.
func (b *Book) put(l abi.Level, message string) {
	if l < b.level {
		return
	}
	if len(b.entries) == 2*keptEntries {
		b.entries = append([]Entry(nil), b.entries[keptEntries:]...)
	}
	b.entries = append(b.entries, Entry{l, message})
	if b.sink != nil {
		b.sink(l, message)
	}
}

// New returns a book that drops lines below level. sink is called for each line, one at a
// time; it may be nil.
func New(level abi.Level, sink func(abi.Level, string)) *Book {
	return &Book{level: level, sink: sink}
}

// All returns the entries, oldest first.
func (b *Book) All() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushPartial()
	return slices.Clone(b.entries)
}

// Text returns the entries as indented lines, for error messages.
func (b *Book) Text() string {
	var sb strings.Builder
	for _, e := range b.All() {
		sb.WriteString("\n  " + e.Level.String() + ": " + e.Message)
	}
	return sb.String()
}
