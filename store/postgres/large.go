package postgres

import (
	"context"
	"time"

	"cloakroom/session"
)

var _ session.LargeLoader = (*Store)(nil)

// LoadLarge implements session.LargeLoader.
func (s *Store) LoadLarge(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.loadBy(ctx, s.codec.ReadLarge, s.pool, selectLarge, key)
}

// ExtendLarge implements session.LargeLoader.
func (s *Store) ExtendLarge(ctx context.Context, v session.Session, end time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	const extend = "UPDATE django_session SET expire_date = $1 WHERE session_key = $2 AND expire_date > $3"
	switch done, err := s.pool.Exec(ctx, extend, end.Truncate(time.Microsecond), v.Key, s.now()); {
	case err != nil:
		return unavailable(err)
	case done.RowsAffected() == 0:
		return session.ErrNotFound
	}
	return nil
}
