package file

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"time"

	"cloakroom/session"
)

// lockName is the file by which the writers of several processes exclude each other. Django uses
// no lock; it replaces files as a whole, as this package does.
const lockName = ".cloakroom.lock"

// lock waits until no other writer of this package is active.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
	f, err := s.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = flock(ctx, f); err != nil {
			f.Close()
		}
	}
	if err != nil {
		s.turn <- struct{}{}
		return nil, unavailable(err)
	}
	return func() {
		f.Close() // which also unlocks
		s.turn <- struct{}{}
	}, nil
}

// retry is the interval between attempts to get a lock that another process holds.
const retry = 2 * time.Millisecond

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if !session.ValidKey(v.Key) {
		return session.ErrUnwritable
	}
	temporary, err := s.write(v)
	if err != nil {
		return err
	}
	defer s.root.Remove(temporary)
	return linked(s.root.Link(temporary, s.Prefix+v.Key))
}

func linked(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return session.ErrExists
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// write writes a session to a temporary file.
func (s *Store) write(v session.Session) (temporary string, err error) {
	text, err := s.Codec.Write(v.Data, v.Origin, s.Now())
	if err != nil {
		return "", err
	}
	if temporary, err = s.writeFile(text); err != nil {
		return "", err
	}
	at := s.written(v.Data, v.Expires)
	if err := s.root.Chtimes(temporary, at, at); err != nil {
		s.root.Remove(temporary)
		return "", unavailable(err)
	}
	return temporary, nil
}

// writeFile writes a text to a temporary file with a unique name.
func (s *Store) writeFile(text string) (temporary string, err error) {
	temporary = ".cloakroom-" + rand.Text()
	f, err := s.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", unavailable(err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		s.root.Remove(temporary)
		return "", unavailable(err)
	}
	return temporary, nil
}

// Update implements session.Store.
func (s *Store) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return session.Session{}, err
	}
	defer unlock()
	before, after, err := s.changed(key, change)
	if err != nil {
		return session.Session{}, err
	}
	after.Key = key
	if after.SameData(before) && s.sameEnd(before, after) {
		return after, s.touch(after)
	}
	temporary, err := s.write(after)
	if err != nil {
		return session.Session{}, err
	}
	defer s.root.Remove(temporary)
	if err := s.exchange(temporary, s.Prefix+key); err != nil {
		return session.Session{}, err
	}
	return after, nil
}

// changed reads a live session and returns it before and after the change.
func (s *Store) changed(key string, change session.Change) (before, after session.Session, err error) {
	if before, err = s.live(key); err != nil {
		return before, after, err
	}
	after = before
	after.Data = append([]byte(nil), before.Data...)
	if change != nil {
		if after, err = change(after); err != nil {
			return before, after, err
		}
	}
	after.Expires = after.Expires.UTC().Truncate(time.Microsecond)
	return before, after, nil
}

// sameEnd reports whether the file's time alone determines the expiry.
func (s *Store) sameEnd(before, after session.Session) bool {
	return !ownExpiry(after.Data).Fixed() && before.Key == after.Key
}

// touch sets the expiry and keeps the data.
func (s *Store) touch(v session.Session) error {
	at := s.written(v.Data, v.Expires)
	err := s.root.Chtimes(s.Prefix+v.Key, at, at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return session.ErrNotFound
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// exchange replaces name by temporary, unless Django has removed name concurrently: a session that
// ended must not be restored.
func (s *Store) exchange(temporary, name string) error {
	err := exchange(s.path(temporary), s.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return session.ErrNotFound
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// Rotate implements session.Store.
func (s *Store) Rotate(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return session.Session{}, err
	}
	defer unlock()
	if !session.ValidKey(newKey) {
		return session.Session{}, session.ErrUnwritable
	}
	_, after, err := s.changed(key, change)
	if err != nil {
		return session.Session{}, err
	}
	after.Key = newKey
	temporary, err := s.write(after)
	if err != nil {
		return session.Session{}, err
	}
	defer s.root.Remove(temporary)
	if err := linked(s.root.Link(temporary, s.Prefix+newKey)); err != nil {
		return session.Session{}, err
	}
	// If the old file is gone Django removed it, and the session has ended.
	if err := s.root.Remove(s.Prefix + key); err != nil {
		s.root.Remove(s.Prefix + newKey)
		if errors.Is(err, fs.ErrNotExist) {
			return session.Session{}, session.ErrNotFound
		}
		return session.Session{}, unavailable(err)
	}
	return after, nil
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.remove(key)
}

func (s *Store) remove(key string) error {
	if !session.ValidKey(key) {
		return nil
	}
	if err := s.root.Remove(s.Prefix + key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return nil
}
