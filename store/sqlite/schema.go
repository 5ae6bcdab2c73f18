package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"cloakroom/session"
)

// schema is what Django's migration sessions.0001_initial creates in SQLite, with the index name
// that Django derives from table and column.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
}

var errNoTable = errors.New("no table django_session: run Django's migrations")

// prepare checks that Django's table exists. If Create is set, it creates the table if there is
// none, and Cloakroom's own.
func (s *Store) prepare(ctx context.Context, o Options) error {
	there, err := exists(ctx, s.reader, "table", "django_session")
	switch {
	case err != nil:
		return err
	case o.AccountsOnly:
		return nil
	case !o.Create && !there:
		return unavailable(errNoTable)
	case !o.Create:
		return nil
	case !there:
		err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			for _, statement := range schema {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return unavailable(err)
				}
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	return s.Migrate(ctx)
}

// Django writes str(datetime) in UTC, and with USE_TZ = False in its TIME_ZONE: it omits
// microseconds that are zero. Such texts sort as the times do, except within the hour that a
// zone's clocks show twice.
const (
	wholeSeconds = "2006-01-02 15:04:05"
	microseconds = "2006-01-02 15:04:05.000000"
)

func (s *Store) formatTime(t time.Time) string {
	t = session.InZone(t, s.zone).Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format(wholeSeconds)
	}
	return t.Format(microseconds)
}

// parseTime parses a time with or without a fraction.
func (s *Store) parseTime(text string) (time.Time, error) {
	wall, err := time.Parse(wholeSeconds, text)
	return session.FromWall(wall, s.zone), err
}
