package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// schema is what Django's migration sessions.0001_initial makes in SQLite,
// with the index name that Django derives from table and column.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
}

var errNoTable = errors.New("no table django_session: run Django's migrations")

// prepare looks for Django's table, and makes it if there is none and create
// says so. It takes no write lock where there is one.
func (s *Store) prepare(ctx context.Context, create bool) error {
	// With a write-ahead log readers and the writer do not wait for each
	// other. Where it cannot be had (another process is reading just now, a
	// network file system), the store works all the same, only slower.
	s.writer.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	var tables int
	const query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'django_session'"
	if err := s.writer.QueryRowContext(ctx, query).Scan(&tables); err != nil {
		return unavailable(err)
	}
	switch {
	case tables > 0:
		return nil
	case !create:
		return unavailable(errNoTable)
	}
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range schema {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return unavailable(err)
			}
		}
		return nil
	})
}

// Django writes str(datetime) in UTC (USE_TZ is on): microseconds are left out
// where they are zero. Such texts sort as the times do.
const (
	wholeSeconds = "2006-01-02 15:04:05"
	microseconds = "2006-01-02 15:04:05.000000"
)

func formatTime(t time.Time) string {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format(wholeSeconds)
	}
	return t.Format(microseconds)
}

// parseTime takes a text with or without a fraction.
func parseTime(text string) (time.Time, error) { return time.Parse(wholeSeconds, text) }
