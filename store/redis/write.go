package redis

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
	"cloakroom/session/django/pickle"
)

// millis returns a time in Redis's form. Redis rejects those before 1970.
func millis(t time.Time) int64 { return max(t.UnixMilli(), 1) }

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	return s.set(ctx, v, "NX")
}

// Put stores a session, and replaces what is stored under its key.
func (s *Store) Put(ctx context.Context, v session.Session) error { return s.set(ctx, v) }

func (s *Store) set(ctx context.Context, v session.Session, options ...any) error {
	text, err := pickle.Encode(session.Stored(v.Data, s.zone), v.Origin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	command := append([]any{"SET", s.name(v.Key), text, "PXAT", millis(v.Expires)}, options...)
	switch err := s.client.Do(ctx, command...).Err(); {
	case errors.Is(err, redis.Nil):
		return session.ErrExists
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// Update implements session.Store. Errors may also wrap
// session.ErrUnwritable.
func (s *Store) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	return s.replace(ctx, key, key, replaceScript, []string{s.name(key)}, change)
}

// Rotate implements session.Store.
func (s *Store) Rotate(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	return s.replace(ctx, key, newKey, moveScript, []string{s.name(key), s.name(newKey)}, change)
}

// replace reads, changes and writes, until no other write came between.
func (s *Store) replace(ctx context.Context, key, newKey string, write *redis.Script, names []string, change session.Change) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	for {
		old, err := s.load(ctx, key)
		if err != nil {
			return session.Session{}, err
		}
		v, text, err := s.changed(old, newKey, change)
		if err != nil {
			return session.Session{}, err
		}
		result, err := write.Run(ctx, s.client, names, old.text, old.ends, text, millis(v.Expires)).Int()
		switch {
		case err != nil:
			return session.Session{}, unavailable(err)
		case result == taken:
			return session.Session{}, session.ErrExists
		case result == done:
			return v, nil
		}
	}
}

// changed returns the changed session, and its pickle, which is empty if the data is unchanged.
func (s *Store) changed(old stored, newKey string, change session.Change) (v session.Session, text string, err error) {
	v = old.Session
	if change != nil {
		v.Data = bytes.Clone(old.Data)
		if v, err = change(v); err != nil {
			return v, "", err
		}
	}
	v.Key, v.Expires = newKey, v.Expires.UTC().Truncate(time.Millisecond)
	if !v.SameData(old.Session) {
		text, err = pickle.Encode(session.Stored(v.Data, s.zone), v.Origin)
	}
	return v, text, err
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := s.client.Del(ctx, s.name(key)).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// ClearExpired implements session.Store. Redis has already removed the dead ones.
func (s *Store) ClearExpired(ctx context.Context, _ int) (int, error) { return 0, s.Ping(ctx) }
