package session

import (
	"context"
	"errors"

	"cloakroom/session/rawjson"
)

// UserKey is the key of the session's data under which Django keeps the user's
// id (django.contrib.auth.SESSION_KEY).
const UserKey = "_auth_user_id"

// UserOf gives the id of the user whom a session's data names, as text; empty
// for an anonymous visitor's.
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

// UserIndex is a Store that finds a user's sessions without reading all.
type UserIndex interface {
	// UserKeys gives the keys of the sessions of a user that were there when
	// it began.
	UserKeys(ctx context.Context, user string) ([]string, error)
	// IndexUsers reads up to limit sessions that are not indexed yet, so that
	// UserKeys need not, and says how many. Fewer than limit means that none
	// is left.
	IndexUsers(ctx context.Context, limit int) (int, error)
}

// FlushUser deletes all sessions of a user that were there when it began, and
// gives their keys. After an error some may be deleted: their keys come with
// it. A store that has no UserIndex is read as a whole.
func FlushUser(ctx context.Context, s Store, user string) (flushed []string, err error) {
	keys, err := userKeys(ctx, s, user)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			return flushed, err
		}
		flushed = append(flushed, key)
	}
	return flushed, nil
}

func userKeys(ctx context.Context, s Store, user string) (keys []string, err error) {
	if user == "" {
		return nil, nil
	}
	if index, ok := s.(UserIndex); ok {
		return index.UserKeys(ctx, user)
	}
	for v, err := range s.All(ctx) {
		switch {
		case errors.Is(err, ErrUnreadable), errors.Is(err, ErrTooLarge):
		case err != nil:
			return nil, err
		case UserOf(v.Data) == user:
			keys = append(keys, v.Key)
		}
	}
	return keys, nil
}
