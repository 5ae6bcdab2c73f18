package file

import (
	"context"
	"errors"
	"io"
	"iter"

	"cloakroom/session"
)

// batch is how many names are read at a time.
const batch = 256

// keys iterates over the keys of the folder's files.
func (s *Store) keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range s.names(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			if key, ok := s.keyOf(name); ok && !yield(key, nil) {
				return
			}
		}
	}
}

// names iterates over the names of the folder's files.
func (s *Store) names(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		dir, err := s.root.Open(".")
		if err != nil {
			yield("", unavailable(err))
			return
		}
		defer dir.Close()
		for {
			if err := s.ready(ctx); err != nil {
				yield("", err)
				return
			}
			names, err := dir.Readdirnames(batch)
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield("", unavailable(err))
				return
			}
		}
	}
}

// All implements session.Store.
func (s *Store) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		for key, err := range s.keys(ctx) {
			if err != nil {
				yield(session.Session{}, err)
				return
			}
			v, err := s.read(key)
			switch {
			case errors.Is(err, session.ErrNotFound):
				continue
			case err != nil && v.Key == "":
				yield(session.Session{}, err)
				return
			case !v.Live(s.Now()):
				continue
			case !yield(v, err):
				return
			}
		}
	}
}

// ClearExpired implements session.Store. It reads every file, as Django's
// clearsessions does.
func (s *Store) ClearExpired(ctx context.Context, limit int) (int, error) {
	cleared := 0
	for key, err := range s.keys(ctx) {
		if err != nil || cleared >= limit {
			return cleared, err
		}
		removed, err := s.clear(ctx, key)
		if err != nil {
			return cleared, err
		}
		if removed {
			cleared++
		}
	}
	return cleared, nil
}

// clear removes a session if it is dead. It checks again under the lock: a writer may have changed
// its expiry.
func (s *Store) clear(ctx context.Context, key string) (bool, error) {
	if dead, err := s.dead(key); !dead {
		return false, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	dead, err := s.dead(key)
	if !dead {
		return false, err
	}
	return true, s.remove(key)
}

func (s *Store) dead(key string) (bool, error) {
	v, err := s.read(key)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return false, nil
	case v.Key == "":
		return false, err
	}
	return !v.Live(s.Now()), nil
}
