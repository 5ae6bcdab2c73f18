package file

import (
	"context"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

var _ session.LargeLoader = (*Store)(nil)

// LoadLarge implements session.LargeLoader.
func (s *Store) LoadLarge(ctx context.Context, key string) (session.Session, error) {
	if err := s.ready(ctx); err != nil {
		return session.Session{}, err
	}
	return s.ifLive(s.readUpTo(key, django.LargeText, s.Codec.ReadLarge))
}

// ExtendLarge implements session.LargeLoader.
func (s *Store) ExtendLarge(ctx context.Context, v session.Session, end time.Time) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	v.Expires = end
	return s.touch(v)
}
