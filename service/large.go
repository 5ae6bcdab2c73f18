package service

import (
	"context"
	"errors"
	"fmt"

	"cloakroom/session"
)

// maxLargeReads bounds how many sessions over the store's limit are read at a time: each read
// takes several times session.LargeLimit of memory. Others wait, until their timeout.
const maxLargeReads = 2

var errLargeReads = fmt.Errorf("%w: too many large sessions are looked up at a time", session.ErrUnavailable)

// load loads a session. Of one that is too large it returns only the data that Cloakroom needs.
func (s *service) load(ctx context.Context, key string) (session.Session, error) {
	v, err := s.Store.Load(ctx, key)
	large, ok := s.Store.(session.LargeLoader)
	if !ok || !errors.Is(err, session.ErrTooLarge) {
		return v, err
	}
	select {
	case s.largeReads <- struct{}{}:
	case <-ctx.Done():
		return session.Session{}, errLargeReads
	}
	defer func() { <-s.largeReads }()
	v, err = large.LoadLarge(ctx, key)
	switch {
	case err == nil:
		s.metrics.large.Inc()
		s.throttle.warn("a session is over 1 MiB: it is admitted without its data, and writes to it are refused", "session", session.ID(key))
	case errors.Is(err, session.ErrTooLarge):
		err = fmt.Errorf("%w: it has more than %d MiB, and is not read", session.ErrTooLarge, session.LargeLimit>>20)
		s.throttle.warn("a session is refused", "session", session.ID(key), "error", err)
	}
	return v, err
}

// touchLarge sets the expiry of a session that is too large to be rewritten.
func (s *service) touchLarge(ctx context.Context, key string, age int64) (session.Session, error) {
	v, err := s.load(ctx, key)
	if err != nil {
		return v, err
	}
	v, err = s.change(writing{Age: age}, nil)(v)
	if large, ok := s.Store.(session.LargeLoader); ok && err == nil {
		err = large.ExtendLarge(ctx, v, v.Expires)
	}
	return v, err
}
