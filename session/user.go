package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cloakroom/session/rawjson"
)

// UserKey is the key of the session's data under which Django keeps the user's
// id (django.contrib.auth.SESSION_KEY).
const UserKey = "_auth_user_id"

// UserOf returns the id of the user in a session's data, as text; empty for an anonymous
// visitor's.
func UserOf(data []byte) string {
	members, err := rawjson.Object(string(data), nil)
	if err != nil {
		return ""
	}
	for _, m := range members {
		if m.Name != UserKey || m.Value == "null" {
			continue
		}
		if text, ok := rawjson.String(m.Value); ok {
			return text
		}
		return m.Value
	}
	return ""
}

// ErrNotIndexed reports that a UserIndex is incomplete now: all sessions must be read.
var ErrNotIndexed = errors.New("session: the index of users is not complete")

// UserIndex is a Store that finds a user's sessions without reading all of them.
type UserIndex interface {
	// UserKeys returns the keys of the sessions of a user that existed when it began, and those of
	// all sessions that cannot be read and could be the user's. It fails with ErrNotIndexed if any
	// could be missing.
	UserKeys(ctx context.Context, user string) (keys, opaque []string, err error)
}

// UserIndexer is a UserIndex that lists the sessions to be indexed itself.
type UserIndexer interface {
	UserIndex
	// IndexUsers indexes up to limit sessions, so that UserKeys need not read them, and returns
	// how many. Fewer than limit means that none is left.
	IndexUsers(ctx context.Context, limit int) (int, error)
}

// UserFollower is a UserIndex that is complete while a process follows the store's writes. Its
// Notices report when it is not.
type UserFollower interface {
	UserIndex
	Noticer
	// FollowUsers reads all sessions, and then those that are written, until ctx ends or writes
	// could have been missed, which is an error. Of several that run on one store, in this process
	// and elsewhere, one is active, and the others wait for it to end.
	FollowUsers(ctx context.Context) error
}

// Migrator is a Store that keeps its own tables in Django's database.
type Migrator interface {
	// Pending returns the SQL statements that Migrate will run, or none if the tables are up to
	// date.
	Pending(ctx context.Context) ([]string, error)
	// Migrate brings the tables to the version of this build.
	Migrate(ctx context.Context) error
}

// ErrNotEnded reports that sessions could be a user's and cannot be read here: they were not
// ended.
var ErrNotEnded = errors.New("session: not all were ended")

// OpaqueError is an ErrNotEnded with the keys of those sessions.
type OpaqueError struct {
	Keys []string
}

// namedIDs bounds how many sessions an OpaqueError names.
const namedIDs = 20

// Error names the sessions by ID, not by key.
func (e *OpaqueError) Error() string {
	ids := make([]string, 0, namedIDs)
	for _, key := range e.Keys[:min(len(e.Keys), namedIDs)] {
		ids = append(ids, ID(key))
	}
	list := strings.Join(ids, ", ")
	if more := len(e.Keys) - len(ids); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%v: these cannot be read here, could be the user's, and have to be revoked one by one by their IDs: %s", ErrNotEnded, list)
}

// Unwrap returns ErrNotEnded.
func (e *OpaqueError) Unwrap() error { return ErrNotEnded }

// FlushUser ends all sessions of a user that existed when it began, by calling end for each, and
// returns their keys. After an error some may have ended: it returns their keys, too. If there are
// sessions that could be the user's and cannot be read, the error is an *OpaqueError, after all
// others were ended. A store without a complete UserIndex is read as a whole.
func FlushUser(ctx context.Context, s Store, user string, end func(ctx context.Context, key string) error) (flushed []string, err error) {
	keys, opaque, err := userKeys(ctx, s, user)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := end(ctx, key); err != nil {
			return flushed, err
		}
		flushed = append(flushed, key)
	}
	if len(opaque) > 0 {
		return flushed, &OpaqueError{opaque}
	}
	return flushed, nil
}

// OfUser calls do with each live session of a user, and with each that could be the user's and
// cannot be read here, with an error as from Store.All.
func OfUser(ctx context.Context, s Store, user string, do func(Session, error)) error {
	keys, opaque, err := userKeys(ctx, s, user)
	if err != nil {
		return err
	}
	for _, key := range append(keys, opaque...) {
		v, err := s.Load(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
		case err == nil && UserOf(v.Data) != user:
		case err == nil:
			do(v, nil)
		case errors.Is(err, ErrUnreadable) || errors.Is(err, ErrTooLarge):
			v.Key = key
			do(v, err)
		default:
			return err
		}
	}
	return nil
}

func userKeys(ctx context.Context, s Store, user string) (keys, opaque []string, err error) {
	if user == "" {
		return nil, nil, nil
	}
	if index, ok := s.(UserIndex); ok {
		keys, opaque, err = index.UserKeys(ctx, user)
		switch {
		case err == nil:
			more, opaque, err := reread(ctx, s, user, opaque)
			return append(keys, more...), opaque, err
		case !errors.Is(err, ErrNotIndexed):
			return nil, nil, err
		}
		keys, opaque = nil, nil
	}
	for v, err := range s.All(ctx) {
		if large, ok := s.(LargeLoader); ok && errors.Is(err, ErrTooLarge) {
			key := v.Key
			if v, err = large.LoadLarge(ctx, key); v.Key == "" {
				v.Key = key
			}
			if errors.Is(err, ErrNotFound) {
				continue // it has ended since
			}
		}
		switch {
		case IsOpaque(err):
			opaque = append(opaque, v.Key)
		case errors.Is(err, ErrUnreadable):
		case err != nil:
			return nil, nil, err
		case UserOf(v.Data) == user:
			keys = append(keys, v.Key)
		}
	}
	return keys, opaque, nil
}

// reread reads sessions that could not be read when they were indexed, perhaps by an earlier
// build. It returns the keys of the user's, and of those that are still opaque.
func reread(ctx context.Context, s Store, user string, keys []string) (users, opaque []string, err error) {
	for _, key := range keys {
		v, err := s.Load(ctx, key)
		if large, ok := s.(LargeLoader); ok && errors.Is(err, ErrTooLarge) {
			v, err = large.LoadLarge(ctx, key)
		}
		switch {
		case IsOpaque(err):
			opaque = append(opaque, key)
		case errors.Is(err, ErrUnreadable) || errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, nil, err
		case UserOf(v.Data) == user:
			users = append(users, key)
		}
	}
	return users, opaque, nil
}

// IsOpaque reports whether an error means that a session cannot be read here, but could be by
// Django.
func IsOpaque(err error) bool { return errors.Is(err, ErrOpaque) || errors.Is(err, ErrTooLarge) }
