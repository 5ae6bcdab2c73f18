package session

import (
	"context"
	"time"
)

// LargeLimit is the maximum size in bytes of a session that LoadLarge reads in part.
const LargeLimit = 8 << 20

// LargeLoader is a store that can read the essential part of sessions over its limit. Each read
// takes several times LargeLimit of memory: the caller must bound concurrent reads.
type LargeLoader interface {
	// LoadLarge is Load for a session of which Load returns ErrTooLarge. Its Data holds only the
	// Essential members, and its Origin withholds the others: it cannot be written. Over
	// LargeLimit the error is ErrTooLarge again.
	LoadLarge(ctx context.Context, key string) (Session, error)
	// ExtendLarge sets the expiry of a live session that LoadLarge has returned, and keeps its
	// data.
	ExtendLarge(ctx context.Context, v Session, end time.Time) error
}

// whyLarge is the reason why the other members are withheld.
const whyLarge = "the session is too large"

// maxLargeNames bounds the names of members that are withheld.
const maxLargeNames = 100

// Part collects the Essential members of a session, and the names of its other members.
type Part struct {
	data  []byte
	names []Withheld
}

// Add adds a member, by its name, and by name and value as JSON.
func (p *Part) Add(name, rawName, rawValue string) {
	switch {
	case Essential(name):
		if p.data == nil {
			p.data = []byte{'{'}
		} else {
			p.data = append(p.data, ',')
		}
		p.data = append(append(append(p.data, rawName...), ':'), rawValue...)
	case len(p.names) < maxLargeNames:
		p.names = append(p.names, Withheld{Key: name, Why: whyLarge})
	}
}

// Data returns the object of the essential members, and an origin that withholds the others.
func (p *Part) Data() ([]byte, *Origin) {
	if p.data == nil {
		p.data = []byte{'{'}
	}
	return append(p.data, '}'), &Origin{Withheld: p.names}
}
