// Package userindex has what the stores in SQL databases have in common of session.UserIndexer:
// an index of sessions by their users, whose rows triggers add, and which the session service
// completes afterwards.
package userindex

import (
	"context"
	"slices"

	"cloakroom/session"
)

// Batch is how many sessions are read for the index at a time.
const Batch = 500

// The states of an entry.
const (
	Pending int16 = iota // its session was not read for its user yet
	Read                 // it was
	Opaque               // it could not be
)

// Entry is the index entry of a session, as it is to be.
type Entry struct {
	// Writes is the entry's count of writes when the session was read: another count is of a
	// session that was written since.
	Writes  int64
	State   int16
	User    string
	Session session.Session
}

// EntryOf returns that of a session as it was decoded.
func EntryOf(writes int64, v session.Session, err error) Entry {
	e := Entry{Writes: writes, State: Read, User: session.UserOf(v.Data), Session: v}
	if session.IsOpaque(err) {
		e.State = Opaque
	}
	return e
}

// Index is how a store's index is read.
type Index struct {
	// Pending returns the entries that are Pending, from behind a key on, in the order of keys.
	Pending func(ctx context.Context, after string, limit int) ([]Entry, error)
	// Indexed returns the keys that the index has of the user, and Opaque those it has as Opaque.
	Indexed, Opaque func(ctx context.Context) ([]string, error)
}

// UserKeys implements session.UserIndex. It reads the sessions that are not indexed yet first: one
// that is indexed meanwhile is then found in the index.
func (x Index) UserKeys(ctx context.Context, user string) (keys, opaque []string, err error) {
	if user == "" {
		return nil, nil, nil
	}
	seen := map[string]bool{}
	for after, more := "", true; more; {
		found, err := x.Pending(ctx, after, Batch)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range found {
			after = e.Session.Key
			switch {
			case e.State == Opaque:
				opaque, seen[after] = append(opaque, after), true
			case e.User == user:
				keys, seen[after] = append(keys, after), true
			}
		}
		more = len(found) == Batch
	}
	indexed, err := x.Indexed(ctx)
	if err != nil {
		return nil, nil, err
	}
	unread, err := x.Opaque(ctx)
	if err != nil {
		return nil, nil, err
	}
	isSeen := func(key string) bool { return seen[key] }
	return append(keys, slices.DeleteFunc(indexed, isSeen)...), append(opaque, slices.DeleteFunc(unread, isSeen)...), nil
}
