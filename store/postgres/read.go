package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"cloakroom/session"
	"cloakroom/session/django"
)

// columns limits what is read of a row to the maximum size of a session.
var (
	columns = columnsUpTo(django.MaxText)
	data    = dataUpTo(django.MaxText)
)

func columnsUpTo(limit int) string { return "session_key, " + dataUpTo(limit) + ", expire_date" }

func dataUpTo(limit int) string { return fmt.Sprintf("left(session_data, %d)", limit+1) }

const fromLive = " FROM django_session WHERE session_key = $1 AND expire_date > $2"

var (
	selectLive   = "SELECT " + columns + fromLive
	selectLarge  = "SELECT " + columnsUpTo(django.LargeText) + fromLive
	selectLocked = selectLive + " FOR UPDATE"
	selectNext   = "SELECT " + columns + " FROM django_session WHERE session_key > $1 AND expire_date > $2 ORDER BY session_key LIMIT $3"
)

// row is a row of the table, not yet decoded.
type row struct {
	key, data string
	expires   pgtype.Timestamptz
}

func (r *row) scan(scan func(...any) error) error { return scan(&r.key, &r.data, &r.expires) }

// decode returns the session with its Key and Expires set even if its data cannot be read.
func (s *Store) decode(r row) (session.Session, error) { return s.decodeBy(s.codec.Read, r) }

// reader decodes session_data: django.Codec's Read or ReadLarge.
type reader func(text string) ([]byte, *session.Origin, error)

func (s *Store) decodeBy(read reader, r row) (session.Session, error) {
	v := session.Session{Key: r.key, Expires: r.expires.Time.UTC()}
	if r.expires.InfinityModifier == pgtype.Infinity {
		v.Expires = session.Never // infinity
	}
	var err error
	v.Data, v.Origin, err = read(r.data)
	return v, err
}

func (s *Store) load(ctx context.Context, q querier, query, key string) (session.Session, error) {
	return s.loadBy(ctx, s.codec.Read, q, query, key)
}

func (s *Store) loadBy(ctx context.Context, read reader, q querier, query, key string) (session.Session, error) {
	if !storable(key) {
		return session.Session{}, session.ErrNotFound
	}
	var r row
	switch err := r.scan(q.QueryRow(ctx, query, key, s.now()).Scan); {
	case errors.Is(err, pgx.ErrNoRows):
		return session.Session{}, session.ErrNotFound
	case err != nil:
		return session.Session{}, unavailable(err)
	}
	v, err := s.decodeBy(read, r)
	if err != nil {
		return session.Session{}, err
	}
	return v, nil
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.load(ctx, s.pool, selectLive, key)
}

// batch is how many rows All reads at a time.
const batch = 100

// All implements session.Store. It holds no connection between batches.
func (s *Store) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		for after := ""; ; {
			rows, err := s.next(ctx, after)
			if err != nil {
				yield(session.Session{}, err)
				return
			}
			for _, r := range rows {
				if !yield(s.decode(r)) {
					return
				}
			}
			if len(rows) < batch {
				return
			}
			after = rows[len(rows)-1].key
		}
	}
}

func (s *Store) next(ctx context.Context, after string) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.pool.Query(ctx, selectNext, after, s.now(), batch)
	if err != nil {
		return nil, unavailable(err)
	}
	rows, err := pgx.CollectRows(result, func(c pgx.CollectableRow) (r row, err error) {
		err = r.scan(c.Scan)
		return r, err
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return rows, nil
}
