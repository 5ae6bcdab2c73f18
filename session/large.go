package session

import (
	"context"
	"time"
)

// LargeLimit is how many bytes a session may have of which LoadLarge reads a part.
const LargeLimit = 8 << 20

// LargeLoader is a store that reads what it must of sessions over its limit. It takes several
// times LargeLimit of memory meanwhile: the caller bounds how many it reads at a time.
type LargeLoader interface {
	// LoadLarge is Load for a session of which Load returns ErrTooLarge. Its Data has the Essential
	// members alone, and its Origin withholds the others: it cannot be written. Over LargeLimit
	// it is ErrTooLarge again.
	LoadLarge(ctx context.Context, key string) (Session, error)
	// ExtendLarge sets the end of a live session that LoadLarge has returned, and leaves its data.
	ExtendLarge(ctx context.Context, v Session, end time.Time) error
}

// whyLarge is why the other members are withheld.
const whyLarge = "the session is too large"

// maxLargeNames bounds the names of members that are withheld.
const maxLargeNames = 100

// Part is the Essential part of a session, and the names of its other members.
type Part struct {
	data  []byte
	names []Withheld
}

// Add adds a member: its name, and name and value as JSON.
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
