package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Note is a fact of Cloakroom's own about a session or a user.
type Note struct {
	Number  int64
	Text    string
	Expires time.Time // at which it is gone; stores keep milliseconds
}

// Notes keeps notes apart from the sessions: no session key leads to one, so that nothing that
// a client can name reads, changes or deletes it.
type Notes interface {
	// Notes returns the note under each key, in their order; the zero Note where there is
	// none, or it has expired.
	Notes(ctx context.Context, keys ...string) ([]Note, error)
	// SetNote stores a note. Where one is there already that has not expired, the larger
	// Number and the later Expires stay: a later revocation is not undone by an earlier one.
	// Its Text stays too, if it has the new one in it; else the new one comes after it and a
	// space, and the last MaxNoteText characters stay.
	SetNote(ctx context.Context, key string, n Note) error
	// ClearNotes removes up to limit notes that have expired, and returns how many. Fewer
	// than limit means that none is left.
	ClearNotes(ctx context.Context, limit int) (int, error)
}

// Merge returns what SetNote makes of a note by another.
func (n Note) Merge(by Note) Note {
	if n.Expires.After(by.Expires) {
		by.Expires = n.Expires
	}
	by.Number = max(n.Number, by.Number)
	switch {
	case strings.Contains(n.Text, by.Text):
		by.Text = n.Text
	case n.Text != "":
		by.Text = n.Text + " " + by.Text
	}
	text := []rune(by.Text)
	by.Text = string(text[max(0, len(text)-MaxNoteText):])
	return by
}

// MaxNoteText is how long a note's Text becomes: 16 session keys, with spaces between.
const MaxNoteText = 16*(KeyLength+1) - 1

// The keys of notes. Each is made of a hash, so that any text can be told apart by one of a
// bounded length.

// RevokedSession returns the key of the note that a session with this Signed.ID was revoked;
// Number is when, in Unix seconds.
func RevokedSession(id string) string { return revoked + digest("revoked session ", id) }

// RevokedUser returns the key of the note that all sessions of a user that are kept in their
// cookies and began by Number, in Unix seconds, were revoked.
func RevokedUser(user string) string { return revoked + digest("revoked user ", user) }

const revoked = "revoked."

// MoveRevocation makes a note of what an earlier build stored as a session, and reports
// whether v was that.
func MoveRevocation(ctx context.Context, s Store, v Session) (moved bool, err error) {
	until, is := IsRevocation(v.Data)
	if !is {
		return false, nil
	}
	if err := s.SetNote(ctx, revoked+v.Key, Note{Number: until, Expires: v.Expires}); err != nil {
		return true, err
	}
	return true, s.Delete(ctx, v.Key)
}

// movedNote is the key of the note that MoveRevocations has been done.
const movedNote = "schema.revocations"

// MoveRevocations makes notes of all that an earlier build stored as sessions, once in a
// store's life: it reads every session. progress is called after each, with how many were read;
// nil where nothing wants to know.
func MoveRevocations(ctx context.Context, s Store, progress func(n int)) error {
	notes, err := s.Notes(ctx, movedNote)
	if err != nil || notes[0].Number > 0 {
		return err
	}
	n := 0
	for v, err := range s.All(ctx) {
		if err != nil && !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrTooLarge) {
			return err
		}
		if err == nil {
			if _, err := MoveRevocation(ctx, s, v); err != nil {
				return err
			}
		}
		if n++; progress != nil {
			progress(n)
		}
	}
	return s.SetNote(ctx, movedNote, Note{Number: 1, Expires: Never})
}

// Never is when a note expires that does not, in all stores' terms.
var Never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// PredecessorOf returns the key of the note whose Text is the session key that a key replaced.
// It is apart from the sessions, since Django can overwrite the data of either.
func PredecessorOf(key string) string { return "predecessor." + sha256Hex("predecessor of "+key) }

// SuccessorsOf returns the key of the note whose Text is the session keys, separated by spaces,
// that a key was replaced by: several, where Django has overwritten the link to the first.
func SuccessorsOf(key string) string { return "successors." + sha256Hex("successors of "+key) }

// LoginOf returns the key of the note whose Text is the session key that a login replaced a key by.
func LoginOf(key string) string { return "login." + sha256Hex("login of "+key) }

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
