package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Note is a record of Cloakroom's own about a session or a user.
type Note struct {
	Number  int64
	Text    string
	Expires time.Time // stores keep milliseconds
}

// Notes stores notes apart from the sessions: no session key refers to one, so that clients cannot
// read, change or delete them.
type Notes interface {
	// Notes returns the note under each key, in the order of keys; the zero Note if there is none,
	// or it has expired.
	Notes(ctx context.Context, keys ...string) ([]Note, error)
	// SetNote stores a note. If there is one that has not expired, the larger Number and the later
	// Expires stay: an earlier revocation does not undo a later one. Its Text stays if it contains
	// the new one; else the new one is appended after a space, and the last MaxNoteText characters
	// stay.
	SetNote(ctx context.Context, key string, n Note) error
	// ClearNotes removes up to limit notes that have expired, and returns how many. Fewer
	// than limit means that none is left.
	ClearNotes(ctx context.Context, limit int) (int, error)
}

// Merge returns the note that SetNote stores if by is set over n.
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

// MaxNoteText is the maximum length of a note's Text: 16 session keys, with spaces between.
const MaxNoteText = 16*(KeyLength+1) - 1

// The keys of notes. Each contains a hash, so that any text maps to a key of bounded length.

// RevokedSession returns the key of the note that the session with this Signed.ID was revoked. Its
// Number is when, in Unix seconds.
func RevokedSession(id string) string { return revoked + digest("revoked session ", id) }

// RevokedUser returns the key of the note that revokes all sessions of a user that are kept in
// their cookies and began at or before its Number, in Unix seconds.
func RevokedUser(user string) string { return revoked + digest("revoked user ", user) }

const revoked = "revoked."

// MoveRevocation stores a note for a revocation that an earlier build stored as a session, and
// reports whether v was one.
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

// MoveRevocations stores notes for all revocations that an earlier build stored as sessions, once
// in a store's life: it reads every session. It calls progress, unless it is nil, after each
// session, with how many were read.
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

// Never is the expiry of a note that does not expire, the latest that all stores can represent.
var Never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// PredecessorOf returns the key of the note whose Text is the session key that a key replaced. It
// is apart from the sessions, since Django can overwrite the data of either.
func PredecessorOf(key string) string { return "predecessor." + sha256Hex("predecessor of "+key) }

// SuccessorsOf returns the key of the note whose Text is the session keys that replaced a key,
// separated by spaces: several, if Django has overwritten the link to the first.
func SuccessorsOf(key string) string { return "successors." + sha256Hex("successors of "+key) }

// LoginOf returns the key of the note whose Text is the session key that replaced a key at a
// login.
func LoginOf(key string) string { return "login." + sha256Hex("login of "+key) }

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
