package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

// columns limits what is read of a row to the maximum size of a session, and prevents the driver
// from parsing dates.
var columns = columnsOf("")

func columnsOf(table string) string { return columnsUpTo(table, django.MaxText) }

func columnsUpTo(table string, limit int) string {
	return fmt.Sprintf("%[1]ssession_key, substr(%[1]ssession_data, 1, %[2]d), CAST(%[1]sexpire_date AS TEXT)", table, limit+1)
}

const fromLive = " FROM django_session WHERE session_key = ? AND expire_date > ?"

var (
	selectLive  = "SELECT " + columns + fromLive
	selectLarge = "SELECT " + columnsUpTo("", django.LargeText) + fromLive
	selectNext  = "SELECT " + columns + " FROM django_session WHERE session_key > ? AND expire_date > ? ORDER BY session_key LIMIT ?"
)

// row is a row of the table, not yet decoded.
type row struct{ key, data, expires string }

func (r *row) scan(scan func(...any) error) error { return scan(&r.key, &r.data, &r.expires) }

// decode returns the session with its Key and Expires set even if its data cannot be read.
func (s *Store) decode(r row) (session.Session, error) { return s.decodeBy(s.codec.Read, r) }

// reader decodes session_data: django.Codec's Read or ReadLarge.
type reader func(text string) ([]byte, *session.Origin, error)

func (s *Store) decodeBy(read reader, r row) (session.Session, error) {
	v := session.Session{Key: r.key}
	var err error
	if v.Expires, err = s.parseTime(r.expires); err != nil {
		return v, fmt.Errorf("%w: expire_date is no date", session.ErrUnreadable)
	}
	v.Data, v.Origin, err = read(r.data)
	return v, err
}

// load returns the session that query finds, which is called with the arguments of selectLive.
func (s *Store) load(key string, query func(args ...any) *sql.Row) (session.Session, error) {
	return s.loadBy(s.codec.Read, key, query)
}

func (s *Store) loadBy(read reader, key string, query func(args ...any) *sql.Row) (session.Session, error) {
	var r row
	now := s.now()
	after := now
	if s.zone == nil {
		after = after.Add(-12 * time.Hour) // a date in an unknown zone may be that much later
	}
	switch err := r.scan(query(key, s.formatTime(after)).Scan); {
	case errors.Is(err, sql.ErrNoRows):
		return session.Session{}, session.ErrNotFound
	case err != nil:
		return session.Session{}, unavailable(err)
	}
	v, err := s.decodeBy(read, r)
	switch {
	case err == nil && session.LacksZone(v.Data):
		return session.Session{}, session.ErrNoZone // the zone of expire_date is unknown, too
	case !v.Expires.IsZero() && !v.Live(now):
		return session.Session{}, session.ErrNotFound
	case err != nil:
		return session.Session{}, err
	}
	return v, nil
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	live, err := s.liveStatement(ctx)
	if err != nil {
		return session.Session{}, unavailable(err)
	}
	return s.load(key, func(args ...any) *sql.Row { return live.QueryRowContext(ctx, args...) })
}

// liveStatement returns selectLive, prepared: parsing it takes as long as running it.
func (s *Store) liveStatement(ctx context.Context) (*sql.Stmt, error) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	if s.live == nil {
		live, err := s.reader.PrepareContext(ctx, selectLive)
		if err != nil {
			return nil, err
		}
		s.live = live
	}
	return s.live, nil
}

// batch is how many rows All reads at a time.
const batch = 100

// All implements session.Store. It holds no lock between batches.
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
	return collect(s.reader.QueryContext(ctx, selectNext, after, s.formatTime(s.now()), batch))
}

// collect reads the rows of a query.
func collect(result *sql.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, unavailable(err)
	}
	defer result.Close()
	var rows []row
	for result.Next() {
		var r row
		if err := r.scan(result.Scan); err != nil {
			return nil, unavailable(err)
		}
		rows = append(rows, r)
	}
	if err := result.Err(); err != nil {
		return nil, unavailable(err)
	}
	return rows, nil
}
