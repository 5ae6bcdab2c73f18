package logbook

import (
	"slices"
	"strings"
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// keptEntries is how many log entries are kept at least; the oldest go first.
const keptEntries = 10_000

// Entry is one line that the guest logged, or that the host logged about it.
type Entry struct {
	Level   abi.Level
	Message string
}

// Book keeps the entries at or above a level and hands each on.
type Book struct {
	mu      sync.Mutex
	level   abi.Level
	entries []Entry
	sink    func(abi.Level, string)

	// What the guest wrote to an output without ending the line; Go's runtime prints
	// a panic in such pieces.
	piece      string
	pieceLevel abi.Level
}

// Add logs one line.
func (b *Book) Add(l abi.Level, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endPiece()
	b.put(l, message)
}

// Write logs what the guest wrote to an output: whole lines at once, the rest with
// what follows.
func (b *Book) Write(l abi.Level, text string) {
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

func (b *Book) endPiece() {
	if b.piece != "" {
		b.put(b.pieceLevel, b.piece)
		b.piece = ""
	}
}

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

func New(level abi.Level, sink func(abi.Level, string)) *Book {
	return &Book{level: level, sink: sink}
}

func (b *Book) All() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endPiece()
	return slices.Clone(b.entries)
}

// Text gives the entries as indented lines, for error messages.
func (b *Book) Text() string {
	var sb strings.Builder
	for _, e := range b.All() {
		sb.WriteString("\n  " + e.Level.String() + ": " + e.Message)
	}
	return sb.String()
}
