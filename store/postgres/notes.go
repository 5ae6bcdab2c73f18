package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"cloakroom/session"
)

const (
	selectNotes = "SELECT key, number, text, expires FROM cloakroom_note WHERE key = ANY($1) AND expires > $2"
	upsertNote  = "INSERT INTO cloakroom_note AS n (key, number, text, expires) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE SET " +
		"number = CASE WHEN n.expires > $5 THEN greatest(n.number, $2) ELSE $2 END, text = CASE WHEN n.expires <= $5 OR n.text = '' THEN $3 WHEN strpos(n.text, $3) > 0 THEN n.text ELSE right(n.text || ' ' || $3, 527) END, expires = greatest(n.expires, $4)"
	deleteNotes = "DELETE FROM cloakroom_note WHERE key IN (SELECT key FROM cloakroom_note WHERE expires <= $1 ORDER BY key LIMIT $2 FOR UPDATE SKIP LOCKED)"
)

// Notes implements session.Notes.
func (s *Store) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	rows, err := s.pool.Query(ctx, selectNotes, keys, s.now().UnixMilli())
	if err != nil {
		return nil, unavailable(err)
	}
	notes := make([]session.Note, len(keys))
	var key string
	var n session.Note
	var millis int64
	_, err = pgx.ForEachRow(rows, []any{&key, &n.Number, &n.Text, &millis}, func() error {
		n.Expires = time.UnixMilli(millis).UTC()
		for i := range keys {
			if keys[i] == key {
				notes[i] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return notes, nil
}

// SetNote implements session.Notes.
func (s *Store) SetNote(ctx context.Context, key string, n session.Note) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, upsertNote, key, n.Number, n.Text, n.Expires.UnixMilli(), s.now().UnixMilli()); err != nil {
		return unavailable(err)
	}
	return nil
}

// ClearNotes implements session.Notes.
func (s *Store) ClearNotes(ctx context.Context, limit int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	done, err := s.pool.Exec(ctx, deleteNotes, s.now().UnixMilli(), max(limit, 0))
	if err != nil {
		return 0, unavailable(err)
	}
	return int(done.RowsAffected()), nil
}
