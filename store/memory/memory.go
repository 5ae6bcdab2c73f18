// Package memory keeps sessions in the process, for tests and trials: they end with it, and Django
// cannot read them.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"cloakroom/session"
)

var errClosed = fmt.Errorf("%w: closed", session.ErrUnavailable)

// Store is a session.Store in memory. New makes one.
type Store struct {
	now func() time.Time

	mu       sync.Mutex
	sessions map[string]session.Session // nil once closed
	notes    map[string]session.Note
}

var _ session.Store = (*Store)(nil)

// New returns an empty store with the clock now.
func New(now func() time.Time) *Store {
	return &Store{now: now, sessions: map[string]session.Session{}, notes: map[string]session.Note{}}
}

// lock locks the store. It fails if the store is closed or ctx has ended.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(session.ErrUnavailable, err)
	}
	s.mu.Lock()
	if s.sessions == nil {
		s.mu.Unlock()
		return nil, errClosed
	}
	return s.mu.Unlock, nil
}

// own returns a copy that shares no memory with callers.
func own(v session.Session) session.Session {
	v.Data = bytes.Clone(v.Data)
	v.Expires = v.Expires.UTC().Truncate(time.Microsecond)
	return v
}

// live returns the live session under key. The caller must hold the lock.
func (s *Store) live(key string) (session.Session, error) {
	v, ok := s.sessions[key]
	if !ok || !v.Live(s.now()) {
		return session.Session{}, session.ErrNotFound
	}
	return own(v), nil
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return session.Session{}, err
	}
	defer unlock()
	return s.live(key)
}

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, taken := s.sessions[v.Key]; taken {
		return session.ErrExists
	}
	s.sessions[v.Key] = own(v)
	return nil
}

// Update implements session.Store.
func (s *Store) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	return s.replace(ctx, key, key, change)
}

// Rotate implements session.Store.
func (s *Store) Rotate(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	return s.replace(ctx, key, newKey, change)
}

func (s *Store) replace(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return session.Session{}, err
	}
	defer unlock()
	v, err := s.live(key)
	if err == nil && change != nil {
		v, err = change(v)
	}
	if err != nil {
		return session.Session{}, err
	}
	if _, taken := s.sessions[newKey]; taken && newKey != key {
		return session.Session{}, session.ErrExists
	}
	v.Key = newKey
	delete(s.sessions, key)
	s.sessions[newKey] = own(v)
	return own(v), nil
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	delete(s.sessions, key)
	return nil
}

// All implements session.Store. It iterates over the sessions as they were when it began.
func (s *Store) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		all, err := s.snapshot(ctx)
		if err != nil {
			yield(session.Session{}, err)
			return
		}
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (s *Store) snapshot(ctx context.Context) ([]session.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var all []session.Session
	for key := range s.sessions {
		if v, err := s.live(key); err == nil {
			all = append(all, v)
		}
	}
	return all, nil
}

// ClearExpired implements session.Store.
func (s *Store) ClearExpired(ctx context.Context, limit int) (int, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n, now := 0, s.now()
	for key, v := range s.sessions {
		if n >= limit {
			break
		}
		if !v.Live(now) {
			delete(s.sessions, key)
			n++
		}
	}
	return n, nil
}

// Notes implements session.Notes.
func (s *Store) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	notes := make([]session.Note, len(keys))
	for i, key := range keys {
		if n := s.notes[key]; n.Expires.After(s.now()) {
			notes[i] = n
		}
	}
	return notes, nil
}

// SetNote implements session.Notes.
func (s *Store) SetNote(ctx context.Context, key string, n session.Note) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	n.Expires = n.Expires.UTC().Truncate(time.Millisecond)
	if before := s.notes[key]; before.Expires.After(s.now()) {
		n = before.Merge(n)
	}
	s.notes[key] = n
	return nil
}

// ClearNotes implements session.Notes.
func (s *Store) ClearNotes(ctx context.Context, limit int) (int, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for key, note := range s.notes {
		if n < limit && !note.Expires.After(s.now()) {
			delete(s.notes, key)
			n++
		}
	}
	return n, nil
}

// Ping implements session.Store.
func (s *Store) Ping(ctx context.Context) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// Close implements session.Store. It drops all sessions.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = nil
	return nil
}
