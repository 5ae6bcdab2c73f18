package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// schema is what Django's migration sessions.0001_initial makes in PostgreSQL,
// with the index names that Django derives from table and columns.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" timestamp with time zone NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS "django_session_session_key_c0390e0f_like" ON "django_session" ("session_key" varchar_pattern_ops)`,
	`CREATE INDEX IF NOT EXISTS "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
}

var errNoTable = errors.New("no table django_session: run Django's migrations")

// schemaLock is the advisory lock under which the table is made: IF NOT EXISTS
// alone fails where two make it at the same time.
const schemaLock = 0x636c6f616b726f6f

// prepare looks for Django's table, and makes it if there is none and create
// says so.
func (s *Store) prepare(ctx context.Context, create bool) error {
	var there bool
	if err := s.pool.QueryRow(ctx, "SELECT to_regclass('django_session') IS NOT NULL").Scan(&there); err != nil {
		return unavailable(err)
	}
	switch {
	case there:
		return nil
	case !create:
		return unavailable(errNoTable)
	}
	return s.makeTables(ctx, schema)
}

func (s *Store) makeTables(ctx context.Context, statements []string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return unavailable(err)
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return unavailable(err)
			}
		}
		return nil
	})
}
