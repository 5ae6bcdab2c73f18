package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"cloakroom/session"
)

const (
	selectNote = "SELECT number, text, expires FROM cloakroom_note WHERE key = ? AND expires > ?"
	upsertNote = "INSERT INTO cloakroom_note (key, number, text, expires) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET " +
		"number = CASE WHEN expires > ?5 THEN max(number, ?2) ELSE ?2 END, text = CASE WHEN expires <= ?5 OR text = '' THEN ?3 WHEN instr(text, ?3) > 0 THEN text ELSE substr(text || ' ' || ?3, -527) END, expires = max(expires, ?4)"
	deleteNotes = "DELETE FROM cloakroom_note WHERE key IN (SELECT key FROM cloakroom_note WHERE expires <= ? LIMIT ?)"
)

// Notes implements session.Notes.
func (s *Store) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	notes := make([]session.Note, len(keys))
	for i, key := range keys {
		var millis int64
		n := &notes[i]
		switch err := s.reader.QueryRowContext(ctx, selectNote, key, s.now().UnixMilli()).Scan(&n.Number, &n.Text, &millis); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return nil, unavailable(err)
		default:
			n.Expires = time.UnixMilli(millis).UTC()
		}
	}
	return notes, nil
}

// SetNote implements session.Notes.
func (s *Store) SetNote(ctx context.Context, key string, n session.Note) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, upsertNote, key, n.Number, n.Text, n.Expires.UnixMilli(), s.now().UnixMilli())
		return err
	})
}

// ClearNotes implements session.Notes.
func (s *Store) ClearNotes(ctx context.Context, limit int) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err = exec(ctx, tx, deleteNotes, s.now().UnixMilli(), max(limit, 0))
		return err
	})
	return n, err
}
