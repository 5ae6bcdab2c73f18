package postgres

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cloakroom/session"
)

// Create implements session.Store. A key that the table cannot hold is session.ErrUnavailable.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	data, err := s.codec.Write(v.Data, v.Origin, s.now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	const insert = "INSERT INTO django_session (session_key, session_data, expire_date) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
	done, err := s.pool.Exec(ctx, insert, v.Key, data, v.Expires.Truncate(time.Microsecond))
	switch {
	case err != nil:
		return unavailable(err)
	case done.RowsAffected() == 0:
		return session.ErrExists
	}
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

// replace holds the row's lock from before it reads until it has written.
func (s *Store) replace(ctx context.Context, key, newKey string, change session.Change) (session.Session, error) {
	var v session.Session
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		old, err := s.load(ctx, tx, selectLocked, key)
		if err != nil {
			return err
		}
		if v = old; change != nil {
			v.Data = bytes.Clone(old.Data)
			if v, err = change(v); err != nil {
				return err
			}
		}
		v.Key, v.Expires = newKey, v.Expires.UTC().Truncate(time.Microsecond)
		sameData := v.SameData(old) && !s.codec.Rotating()
		return s.save(ctx, tx, key, v, sameData)
	})
	if err != nil {
		return session.Session{}, err
	}
	return v, nil
}

// uniqueViolation is PostgreSQL's code of a duplicate key.
const uniqueViolation = "23505"

// save writes v into the row of key, which is locked.
func (s *Store) save(ctx context.Context, tx pgx.Tx, key string, v session.Session, sameData bool) error {
	statement := "UPDATE django_session SET session_key = $1, expire_date = $2 WHERE session_key = $3"
	args := []any{v.Key, v.Expires, key}
	if !sameData {
		data, err := s.codec.Write(v.Data, v.Origin, s.now())
		if err != nil {
			return err
		}
		statement = "UPDATE django_session SET session_key = $1, expire_date = $2, session_data = $4 WHERE session_key = $3"
		args = append(args, data)
	}
	_, err := tx.Exec(ctx, statement, args...)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == uniqueViolation:
		return session.ErrExists
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !storable(key) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, "DELETE FROM django_session WHERE session_key = $1", key); err != nil {
		return unavailable(err)
	}
	return nil
}

// deleteDead locks rows in a fixed order, so that concurrent calls do not deadlock.
const deleteDead = "DELETE FROM django_session WHERE session_key IN " +
	"(SELECT session_key FROM django_session WHERE expire_date <= $1 ORDER BY expire_date, session_key LIMIT $2 FOR UPDATE)"

// ClearExpired implements session.Store. Rows that another process deletes concurrently make a
// batch short, so it continues until it finds none.
func (s *Store) ClearExpired(ctx context.Context, limit int) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	for n < limit {
		done, err := s.pool.Exec(ctx, deleteDead, s.now(), limit-n)
		if err != nil {
			return n, unavailable(err)
		}
		if done.RowsAffected() == 0 {
			break
		}
		n += int(done.RowsAffected())
	}
	if limit <= 0 {
		return 0, s.Ping(ctx)
	}
	return n, nil
}
