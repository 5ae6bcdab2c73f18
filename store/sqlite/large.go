package sqlite

import (
	"context"
	"database/sql"
	"time"

	"cloakroom/session"
)

var _ session.LargeLoader = (*Store)(nil)

// LoadLarge implements session.LargeLoader.
func (s *Store) LoadLarge(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.loadBy(s.codec.ReadLarge, key, func(args ...any) *sql.Row { return s.reader.QueryRowContext(ctx, selectLarge, args...) })
}

// ExtendLarge implements session.LargeLoader.
func (s *Store) ExtendLarge(ctx context.Context, v session.Session, end time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		const extend = "UPDATE django_session SET expire_date = ? WHERE session_key = ? AND expire_date > ?"
		n, err := exec(ctx, tx, extend, s.formatTime(end), v.Key, s.formatTime(s.now()))
		if err == nil && n == 0 {
			err = session.ErrNotFound
		}
		return err
	})
}
