package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"time"

	"cloakroom/session"
)

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, v session.Session) error {
	data, err := s.codec.Write(v.Data, v.Origin, s.now())
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		const insert = "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
		n, err := exec(ctx, tx, insert, v.Key, data, s.formatTime(v.Expires))
		if err == nil && n == 0 {
			err = session.ErrExists
		}
		return err
	})
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
	var v session.Session
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		old, err := s.load(key, func(args ...any) *sql.Row { return tx.QueryRowContext(ctx, selectLive, args...) })
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

// save writes v into the row of key, which exists: if no row is changed, the new key is in use.
func (s *Store) save(ctx context.Context, tx *sql.Tx, key string, v session.Session, sameData bool) error {
	statement := "UPDATE OR IGNORE django_session SET session_key = ?, expire_date = ? WHERE session_key = ?"
	args := []any{v.Key, s.formatTime(v.Expires), key}
	if !sameData {
		data, err := s.codec.Write(v.Data, v.Origin, s.now())
		if err != nil {
			return err
		}
		statement = "UPDATE OR IGNORE django_session SET session_key = ?, expire_date = ?, session_data = ? WHERE session_key = ?"
		args = []any{v.Key, s.formatTime(v.Expires), data, key}
	}
	n, err := exec(ctx, tx, statement, args...)
	if err == nil && n == 0 {
		err = session.ErrExists
	}
	return err
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "DELETE FROM django_session WHERE session_key = ?", key)
		return err
	})
}

// ClearExpired implements session.Store.
func (s *Store) ClearExpired(ctx context.Context, limit int) (n int, err error) {
	const clear = "DELETE FROM django_session WHERE session_key IN " +
		"(SELECT session_key FROM django_session WHERE expire_date <= ? LIMIT ?)"
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err = exec(ctx, tx, clear, s.formatTime(s.now()), max(limit, 0))
		return err
	})
	return n, err
}
