package redis

import (
	"context"
	"time"

	"cloakroom/session"
	"cloakroom/session/django/pickle"
)

var _ session.LargeLoader = (*Store)(nil)

// LoadLarge implements session.LargeLoader.
func (s *Store) LoadLarge(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := readScript.Run(ctx, s.client, []string{s.name(key)}, session.LargeLimit).Slice()
	if err != nil {
		return session.Session{}, unavailable(err)
	}
	v, err := s.decodeBy(pickle.DecodeLarge, key, result)
	if err != nil {
		return session.Session{}, err
	}
	return v.Session, nil
}

// ExtendLarge implements session.LargeLoader.
func (s *Store) ExtendLarge(ctx context.Context, v session.Session, end time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	switch is, err := s.client.PExpireAt(ctx, s.name(v.Key), time.UnixMilli(millis(end))).Result(); {
	case err != nil:
		return unavailable(err)
	case !is:
		return session.ErrNotFound
	}
	return nil
}
