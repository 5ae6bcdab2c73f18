package hostsim

import (
	"slices"
	"strings"
	"sync"
)

// Level is a log level of the proxy-wasm ABI; the zero value is Trace.
type Level int

// The levels in the ABI's order.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

var levelNames = [...]string{"trace", "debug", "info", "warn", "error", "critical"}

// String gives the level's name in lower case.
func (l Level) String() string {
	if l < Trace || l > Critical {
		return "unknown"
	}
	return levelNames[l]
}

// Entry is one line that the guest logged, or that the host logged about it.
type Entry struct {
	Level   Level
	Message string
}

// keptEntries is how many log entries are kept at least; the oldest go first.
const keptEntries = 10_000

// logbook keeps the entries at or above a level and hands each on.
type logbook struct {
	mu      sync.Mutex
	level   Level
	entries []Entry
	sink    func(Level, string)

	// What the guest wrote to an output without ending the line; Go's runtime prints
	// a panic in such pieces.
	piece      string
	pieceLevel Level
}

// add logs one line.
func (b *logbook) add(l Level, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endPiece()
	b.put(l, message)
}

// write logs what the guest wrote to an output: whole lines at once, the rest with
// what follows.
func (b *logbook) write(l Level, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pieceLevel != l {
		b.endPiece()
	}
	whole, ended := strings.CutSuffix(b.piece+text, "\n")
	b.piece, b.pieceLevel = whole, l
	if ended {
		b.piece = ""
		b.put(l, whole)
	}
}

func (b *logbook) endPiece() {
	if b.piece != "" {
		b.put(b.pieceLevel, b.piece)
		b.piece = ""
	}
}

func (b *logbook) put(l Level, message string) {
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

func (b *logbook) all() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endPiece()
	return slices.Clone(b.entries)
}

// text gives the entries as indented lines, for error messages.
func (b *logbook) text() string {
	var sb strings.Builder
	for _, e := range b.all() {
		sb.WriteString("\n  " + e.Level.String() + ": " + e.Message)
	}
	return sb.String()
}
