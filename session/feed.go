package session

import (
	"context"
	"strconv"
)

// Feed tells those who remember sessions which of them to forget: what has
// ended or changed, in order. It names no session that could not be looked up
// anew, so that an event too many does no harm.
type Feed interface {
	// Publish adds events. When it has returned, every Read that begins gives
	// them. Errors wrap ErrUnavailable.
	Publish(ctx context.Context, events ...string) error
	// Read gives the events after a cursor, and waits for one until ctx ends;
	// that none came is no error. Errors wrap ErrUnavailable.
	Read(ctx context.Context, after string) (FeedPage, error)
	// Close releases what the feed holds.
	Close() error
}

// FeedPage is a part of a feed.
type FeedPage struct {
	Events []string
	// Cursor is where the next Read goes on.
	Cursor string
	// Gap says that events may be missing between the cursor asked for and
	// these: nothing that is remembered may be believed.
	Gap bool
}

// SessionEvent is the event of one session that ended or changed. It holds the
// key's hash (KeyHash) in hexadecimal. Whoever does not know an event's letter must take
// it for one of all sessions.
func SessionEvent(key string) string { return "h" + strconv.FormatUint(KeyHash(key), 16) }

// UserEvent is the event of all sessions of a user.
func UserEvent(id string) string { return "u" + id }
