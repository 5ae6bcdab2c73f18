package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"cloakroom/session"
)

// schema is what Django's migration sessions.0001_initial creates in PostgreSQL, with the index
// names that Django derives from table and columns.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" timestamp with time zone NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS "django_session_session_key_c0390e0f_like" ON "django_session" ("session_key" varchar_pattern_ops)`,
	`CREATE INDEX IF NOT EXISTS "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
}

// errNoTable returns an error that names where django_session was looked for.
func errNoTable(ctx context.Context, q querier) error {
	var database, schemas string
	const where = "SELECT current_database(), array_to_string(current_schemas(false), ', ')"
	if err := q.QueryRow(ctx, where).Scan(&database, &schemas); err != nil {
		return unavailable(err)
	}
	return fmt.Errorf("%w: PostgreSQL: no table django_session in the database %s, schemas %q (search_path): the URL must name the database, and by search_path the schema, of a Django project, whose migrations have been run",
		session.ErrUnavailable, database, schemas)
}

// schemaLock is the advisory lock under which the table is created: IF NOT EXISTS alone fails for
// concurrent transactions.
const schemaLock = 0x636c6f616b726f6f

// prepare checks that Django's table exists. If Create is set, it creates the table if there is
// none, and Cloakroom's own.
func (s *Store) prepare(ctx context.Context, o Options) error {
	if o.AccountsOnly {
		if err := s.pool.Ping(ctx); err != nil {
			return unavailable(err)
		}
		return nil
	}
	var there bool
	// In a transaction, since the store uses them: a pooler may reject them.
	if err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT to_regclass('django_session') IS NOT NULL").Scan(&there); err != nil {
			return unavailable(err)
		}
		return nil
	}); err != nil {
		return err
	}
	switch {
	case !there && !o.Create:
		return errNoTable(ctx, s.pool)
	case !o.Create:
		return nil
	case !there:
		if err := s.makeTables(ctx, func(context.Context, querier) ([]string, error) { return schema, nil }); err != nil {
			return err
		}
	}
	return s.Migrate(ctx)
}

// makeTables executes the statements that due returns, under schemaLock.
func (s *Store) makeTables(ctx context.Context, due func(context.Context, querier) ([]string, error)) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return unavailable(err)
		}
		statements, err := due(ctx, tx)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%w; the statement is %s", unavailable(err), statement)
			}
		}
		return nil
	})
}
