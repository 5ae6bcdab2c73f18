// Package cached keeps sessions as Django's cached_db engine does
// (django.contrib.sessions.backends.cached_db): in a database, with a copy in a cache that is read
// first.
//
// Django writes the database and then the cache, and undoes neither if the other fails. This
// package makes and changes copies only while the session's row is locked in the database, so that
// an old copy cannot replace a new one. A deletion deletes both: if it cannot reach the cache it
// fails, and the caller must retry.
package cached

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"cloakroom/session"
)

// Cache is a session.Store that can replace a session.
type Cache interface {
	session.Store
	// Put stores a session, and replaces what is stored under its key.
	Put(ctx context.Context, v session.Session) error
	// Feed opens the cache's feed.
	Feed(ctx context.Context) (session.Feed, error)
}

// Database is a session.Store with Django's tables.
type Database interface {
	session.Store
	session.UserIndexer
	session.LargeLoader
	session.Migrator
	// Users returns the accounts in a table.
	Users(ctx context.Context, table session.UserTable) (session.Users, error)
}

// Feed returns the cache's feed, which all services on it share.
func (s *Store) Feed(ctx context.Context) (session.Feed, error) { return s.cache.Feed(ctx) }

// Store is a session.Store over a database and a cache. New makes one.
type Store struct {
	Database
	cache Cache
}

var _ session.Store = (*Store)(nil)

// New returns a store over a database and a cache. Close closes both. A session may be larger than
// the cache accepts: then there is no copy of it.
func New(database Database, cache Cache) *Store { return &Store{database, cache} }

// resolution is the resolution of the cache's expiry.
const resolution = time.Millisecond

func truncated(v session.Session) session.Session {
	v.Expires = v.Expires.Truncate(resolution)
	return v
}

// Load implements session.Store. A cache that is unavailable or holds an invalid session is a
// miss. If Data shows a copy only in part, the row is read, which is JSON: Python's types in the
// copy do not outlive it.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	v, err := s.cache.Load(ctx, key)
	switch {
	case err == nil && v.Origin.Partial():
		v, err = s.Database.Load(ctx, key)
		return truncated(v), err
	case err == nil || ctx.Err() != nil:
		v.Origin = nil
		return v, err
	}
	return s.fill(ctx, key)
}

// errFilled aborts a change that changes nothing.
var errFilled = errors.New("cached: read only")

// fill reads the session from the database and stores the copy.
func (s *Store) fill(ctx context.Context, key string) (v session.Session, err error) {
	_, err = s.Database.Update(ctx, key, func(stored session.Session) (session.Session, error) {
		v = truncated(stored)
		_ = s.copy(ctx, v) // an outage of the cache only costs time here
		return v, errFilled
	})
	if !errors.Is(err, errFilled) {
		return session.Session{}, err
	}
	return v, nil
}

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	return s.Database.Create(ctx, truncated(v))
}

// Update implements session.Store.
func (s *Store) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	v, err := s.Database.Update(ctx, key, func(before session.Session) (session.Session, error) {
		after, err := change(before)
		if err != nil {
			return after, err
		}
		after.Key = key
		after = truncated(after)
		return after, s.copy(ctx, after)
	})
	if errors.Is(err, session.ErrUnavailable) {
		err = errors.Join(err, s.invalidate(ctx, key)) // the copy may be ahead of the row
	}
	return v, err
}

// copy stores the copy of a session; the caller must hold the row's lock. A session that Data
// shows only in part gets no copy: Django would take it for the whole session, and Django makes
// its own.
func (s *Store) copy(ctx context.Context, v session.Session) error {
	if v.Origin != nil {
		return s.invalidate(ctx, v.Key)
	}
	err := s.cache.Put(ctx, v)
	if errors.Is(err, session.ErrTooLarge) {
		return s.invalidate(ctx, v.Key)
	}
	return err
}

// invalidate removes the copy.
func (s *Store) invalidate(ctx context.Context, key string) error {
	if err := s.cache.Delete(ctx, key); err != nil {
		return fmt.Errorf("the copy in the cache stays: %w", err)
	}
	return nil
}

// Rotate implements session.Store.
func (s *Store) Rotate(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	v, err := s.Database.Rotate(ctx, key, newKey, func(before session.Session) (session.Session, error) {
		if change != nil {
			var err error
			if before, err = change(before); err != nil {
				return before, err
			}
		}
		return truncated(before), s.invalidate(ctx, key)
	})
	if err != nil {
		return v, err
	}
	return v, s.invalidate(ctx, key)
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	// The copy is removed first: if that fails the session stays complete, so that a retry finds
	// it again.
	if err := s.invalidate(ctx, key); err != nil {
		return err
	}
	if err := s.Database.Delete(ctx, key); err != nil {
		return err
	}
	return s.invalidate(ctx, key)
}

// All implements session.Store. It reads the database.
func (s *Store) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		for v, err := range s.Database.All(ctx) {
			if !yield(truncated(v), err) {
				return
			}
		}
	}
}

// Ping implements session.Store. A write needs both.
func (s *Store) Ping(ctx context.Context) error {
	return errors.Join(s.Database.Ping(ctx), s.cache.Ping(ctx))
}

// Notices implements session.Noticer.
func (s *Store) Notices() []string { return session.Notices(s.Database) }

// Close implements session.Store.
func (s *Store) Close() error { return errors.Join(s.Database.Close(), s.cache.Close()) }
