package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// The errors of a Store wrap one of these; callers use errors.Is. An error that wraps none of
// them, and not ErrNoZone, is a defect.
var (
	// ErrNotFound is certain: no live session has the key. It never existed, was deleted, or has
	// expired.
	ErrNotFound = errors.New("session: not found")
	// ErrExists reports that the new key is in use. The caller must draw another.
	ErrExists = errors.New("session: key exists already")
	// ErrUnreadable reports that the stored data under the key is no session of this project:
	// tampered with, or signed with another key. To Django it is an empty session.
	ErrUnreadable = errors.New("session: stored data cannot be read")
	// ErrOpaque reports that the stored data under the key is, or could be, a session to Django,
	// but cannot be read here: not even its user. Errors that wrap it wrap ErrUnreadable too.
	// ErrTooLarge means the same for a session that is too large.
	ErrOpaque = fmt.Errorf("%w here, though Django may", ErrUnreadable)
	// ErrTooLarge reports that the session's data exceeds the store's limit. It does not mean that
	// the session is valid, or invalid.
	ErrTooLarge = errors.New("session: data too large")
	// ErrUnwritable reports that a write would lose a value of the session that JSON cannot
	// represent. Nothing was written; the session is valid.
	ErrUnwritable = errors.New("session: cannot be written without loss")
	// ErrUnavailable reports that the store did not respond, or not in time. It does not mean that
	// the session is valid, or invalid: an outage must not log out.
	ErrUnavailable = errors.New("session: store unavailable")
	// ErrFull reports that the store has no room for a write. Deleting may still work.
	ErrFull = fmt.Errorf("%w: it is full", ErrUnavailable)
)

// Bounded is a store that can be full, or evict data by itself.
type Bounded interface {
	// Capacity returns how full the store is.
	Capacity(ctx context.Context) (Capacity, error)
}

// Capacity is how full a store is.
type Capacity struct {
	// Used and Max are in bytes. A Max of 0 means that the store has no limit of its own.
	Used, Max int64
	// Evicts is the policy by which the store evicts data; empty if it evicts none.
	Evicts string
}

// Near is the fraction of Max from which on a store is nearly full.
const Near = 0.9

// Warnings returns what an operator must do about it.
func (c Capacity) Warnings() (all []string) {
	if c.Evicts != "" {
		all = append(all, "the store deletes sessions and revocations when it is full (maxmemory-policy "+c.Evicts+"): a session or a signed cookie that was revoked may be admitted again; set maxmemory-policy noeviction")
	}
	if c.Max > 0 && float64(c.Used) >= Near*float64(c.Max) {
		all = append(all, fmt.Sprintf("the store is nearly full: %d of %d bytes (maxmemory); when it is full, revocations, logins and changes fail with 503; raise maxmemory", c.Used, c.Max))
	}
	return all
}

// Session is one session as it is stored.
type Session struct {
	// Key is the secret in the cookie.
	Key string
	// Data is a JSON object. A store may return another text of the same value (white space,
	// escapes), with the text of numbers kept; one that keeps Python's values writes numbers as
	// Python does.
	Data []byte
	// Origin is the stored form if Data does not show all of it, else nil. Data then lacks the
	// values that are withheld.
	Origin *Origin
	// Expires is when the session expires: from this instant on it is dead. Stores keep
	// microseconds, as Django does (Redis: milliseconds), and truncate.
	Expires time.Time
}

// Live reports whether the session has not expired at now.
func (s Session) Live(now time.Time) bool { return s.Expires.After(now) }

// Change returns a live session as it should be stored. It changes Data and Expires; a changed Key
// is ignored. It keeps Origin, replaces it by the result of Patched, or sets it to nil, which
// loses what Data does not show. A store may call it more than once, and may hold a lock or a
// transaction during the call, so it must have no side effects. If it fails, the stored session
// does not change and its error is returned unchanged.
type Change func(Session) (Session, error)

// Store keeps sessions. This comment is the specification; package sessiontest tests it for every
// implementation.
//
// A store has its own clock, set at construction. A session whose Expires is at or before the
// clock's now is dead: to all methods but ClearExpired and Delete it does not exist, whether or
// not it is still stored.
//
// Each method is atomic: other callers, in this process and elsewhere, Django included, see all of
// its effect or none. After an error that wraps ErrUnavailable the effect may or may not have
// taken place.
//
// A method returns when its context ends, with an error that wraps ErrUnavailable and the
// context's own. Byte slices that are passed and returned belong to the caller. All methods may be
// called concurrently.
type Store interface {
	// Load returns the live session under key.
	Load(ctx context.Context, key string) (Session, error)

	// Create stores a new session. It fails with ErrExists if a session, live or dead, is stored
	// under its key.
	Create(ctx context.Context, s Session) error

	// Update replaces the live session under key by the result of change, and returns it. No
	// concurrent update is lost. If the session was deleted concurrently, it is not restored:
	// ErrNotFound. If Data and Origin are unchanged, only the expiry is written: a touch. It fails
	// with ErrUnwritable if Data changes a value that JSON cannot represent.
	Update(ctx context.Context, key string, change Change) (Session, error)

	// Rotate moves the live session from key to newKey, as change returns it (nil: unchanged);
	// afterwards nothing is stored under key. It is Django's cycle_key, but atomic. It fails with
	// ErrExists if newKey is in use: nothing was moved.
	Rotate(ctx context.Context, key, newKey string, change Change) (Session, error)

	// Delete removes the session under key. It succeeds if there is none.
	Delete(ctx context.Context, key string) error

	// All iterates over the live sessions in no particular order, reading them in batches. It may
	// or may not return a session that is created or deleted during the iteration. For a session
	// that cannot be read it yields an error that wraps ErrUnreadable or ErrTooLarge, with Key and
	// Expires set, and continues; after any other error it ends.
	All(ctx context.Context) iter.Seq2[Session, error]

	// ClearExpired removes up to limit dead sessions (at least one if there is any and limit is
	// positive) and returns how many. Fewer than limit means that none is left.
	ClearExpired(ctx context.Context, limit int) (int, error)

	// Notes stores notes. Its errors wrap ErrUnavailable.
	Notes

	// Ping returns an error that wraps ErrUnavailable unless the store responds.
	Ping(ctx context.Context) error

	// Close releases the store's resources. Later calls of other methods fail with ErrUnavailable.
	Close() error
}
