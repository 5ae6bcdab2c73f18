package session

import (
	"context"
	"strconv"
)

// Feed publishes, in order, which sessions have ended or changed, so that those who cache sessions
// invalidate them. A session that is invalidated can be looked up again, so that a superfluous
// event does no harm.
type Feed interface {
	// Publish adds events. After it has returned, every Read that begins returns them. Errors wrap
	// ErrUnavailable.
	Publish(ctx context.Context, events ...string) error
	// Read returns the events after a cursor, and waits for one until ctx ends. A page without
	// events is no error. Errors wrap ErrUnavailable.
	Read(ctx context.Context, after string) (FeedPage, error)
	// Close releases what the feed holds.
	Close() error
}

// FeedPage is a part of a feed.
type FeedPage struct {
	Events []string
	// Cursor is where the next Read continues.
	Cursor string
	// Gap reports that events may be missing between the requested cursor and these: all cached
	// sessions must be invalidated.
	Gap bool
}

// EventAll is the event of all sessions. A text that is no other event counts as it.
const EventAll = "*"

// SessionEvent returns the event of one session that ended or changed: "h" and the key's hash
// (KeyHash) in hexadecimal.
func SessionEvent(key string) string { return "h" + strconv.FormatUint(KeyHash(key), 16) }

// UserEvent returns the event of all sessions of a user: "u" and the user's ID.
func UserEvent(id string) string { return "u" + id }

// EventKind is the kind of an event.
type EventKind uint8

// The kinds of events. The zero value is the one that invalidates most.
const (
	AllSessions EventKind = iota
	OneSession            // with the key's hash
	OneUser               // with the user's ID
)

// ParseEvent parses an event.
func ParseEvent(event string) (kind EventKind, keyHash uint64, user string) {
	if event == "" {
		return AllSessions, 0, ""
	}
	switch rest := event[1:]; event[0] {
	case 'h':
		if hash, err := strconv.ParseUint(rest, 16, 64); err == nil {
			return OneSession, hash, ""
		}
	case 'u':
		return OneUser, 0, rest
	}
	return AllSessions, 0, ""
}
