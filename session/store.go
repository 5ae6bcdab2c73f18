package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// What a store answers besides success. Errors of a Store wrap one of these;
// callers use errors.Is. An error that wraps none of them, and not ErrNoZone, is a defect.
var (
	// ErrNotFound says for certain that no live session has the key: it never
	// existed, was deleted, or is at or past its expiry.
	ErrNotFound = errors.New("session: not found")
	// ErrExists says that the new key is taken. The caller draws another.
	ErrExists = errors.New("session: key exists already")
	// ErrUnreadable says that what is stored under the key is no session of
	// ours: tampered with, or signed with another key. To Django it is an empty
	// session.
	ErrUnreadable = errors.New("session: stored data cannot be read")
	// ErrOpaque says that what is stored under the key is, or could be, a session
	// to Django, and cannot be read here: not even whose it is. Errors that wrap it
	// wrap ErrUnreadable too. ErrTooLarge says the same of a session that is too
	// large.
	ErrOpaque = fmt.Errorf("%w here, though Django may", ErrUnreadable)
	// ErrTooLarge says that the session's data is over the store's limit.
	// It says nothing about whether the session is valid.
	ErrTooLarge = errors.New("session: data too large")
	// ErrUnwritable says that a write would lose a value that the session
	// holds and JSON cannot say. Nothing was written; the session is valid.
	ErrUnwritable = errors.New("session: cannot be written without loss")
	// ErrUnavailable says that the store did not answer, or not in time. It
	// says nothing about the session: an outage is never a logout.
	ErrUnavailable = errors.New("session: store unavailable")
	// ErrFull says that the store has no room for what was to be written. Deleting may still
	// work.
	ErrFull = fmt.Errorf("%w: it is full", ErrUnavailable)
)

// Bounded is a store that can be full, or make room by itself.
type Bounded interface {
	// Capacity returns how full it is.
	Capacity(ctx context.Context) (Capacity, error)
}

// Capacity is how full a store is.
type Capacity struct {
	// Used and Max are in bytes. A Max of 0: it has no bound of its own.
	Used, Max int64
	// Evicts is the policy by which it deletes what it was to keep; empty: it deletes nothing.
	Evicts string
}

// Near is the part of Max from which on a store is nearly full.
const Near = 0.9

// Warnings returns what an operator has to do about it.
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
	// Key is the secret that the cookie carries.
	Key string
	// Data is a JSON object. A store may give back another text of the same
	// value (white space, escapes), with the texts of numbers kept; one that
	// keeps Python's values writes numbers as Python does.
	Data []byte
	// Origin is what was read from the store where Data does not show all of it, else
	// nil. Data then lacks the values that are withheld.
	Origin *Origin
	// Expires is when the session ends: from this instant on it is dead.
	// Stores keep microseconds, as Django does (Redis: milliseconds), and cut
	// what is finer.
	Expires time.Time
}

// Live reports whether the session has not ended at now.
func (s Session) Live(now time.Time) bool { return s.Expires.After(now) }

// Change computes what becomes of a live session. It changes Data and Expires;
// a changed Key is ignored. It keeps Origin, replaces it by what Patched returns,
// or sets it to nil, and then what Data does not show is lost. A store may call it more than once, and may hold a
// lock or a transaction meanwhile, so it computes and does nothing else. An
// error leaves the stored session as it is and is returned as it is.
type Change func(Session) (Session, error)

// Store keeps sessions. This comment is the specification; package sessiontest
// proves it for every implementation.
//
// A store has a clock of its own, given at construction. A session whose
// Expires is at or before the clock's now is dead: no method but ClearExpired
// and Delete sees it, whether or not it is still stored.
//
// Each method is atomic: other callers, in this process and elsewhere, Django
// included, see all of its effect or none. After an error that wraps
// ErrUnavailable the effect may or may not have taken place.
//
// A method ends when its context ends, with an error that wraps ErrUnavailable
// and the context's own. Byte slices given and returned belong to the caller.
// All methods may be called concurrently.
type Store interface {
	// Load gives the live session under key.
	Load(ctx context.Context, key string) (Session, error)

	// Create stores a new session. ErrExists if anything, live or dead, is
	// stored under its key.
	Create(ctx context.Context, s Session) error

	// Update replaces the live session under key by what change makes of it
	// and gives the result. No update that runs at the same time is lost, and
	// a session that was deleted meanwhile is not brought back: ErrNotFound.
	// With Data and Origin left as they were, only the expiry is written: a touch.
	// ErrUnwritable if Data changes a value that JSON cannot say.
	Update(ctx context.Context, key string, change Change) (Session, error)

	// Rotate moves the live session from key to newKey, as change makes it
	// (nil: as it is); afterwards nothing is stored under key. It is Django's
	// cycle_key, but atomic. ErrExists if newKey is taken: nothing was moved.
	Rotate(ctx context.Context, key, newKey string, change Change) (Session, error)

	// Delete removes what is stored under key. That nothing was stored is
	// success.
	Delete(ctx context.Context, key string) error

	// All walks over the live sessions in no particular order, reading them in
	// batches. One that is created or deleted during the walk may be missed or
	// seen. A session that cannot be read comes with an error that wraps
	// ErrUnreadable or ErrTooLarge, with its Key and Expires set, and the walk
	// goes on; after any other error it ends.
	All(ctx context.Context) iter.Seq2[Session, error]

	// ClearExpired removes up to limit dead sessions (at least one if there
	// is any and limit is positive) and says how many. Fewer than limit means
	// that none is left.
	ClearExpired(ctx context.Context, limit int) (int, error)

	// Notes has its errors wrap ErrUnavailable.
	Notes

	// Ping reports whether the store answers, with an error that wraps
	// ErrUnavailable if not.
	Ping(ctx context.Context) error

	// Close releases what the store holds. Later calls of other methods fail
	// with ErrUnavailable.
	Close() error
}
