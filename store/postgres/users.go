package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cloakroom/session"
	"cloakroom/store/accounts"
)

// PostgreSQL's error codes (its manual, appendix A).
const (
	undefinedTable        = "42P01"
	undefinedColumn       = "42703"
	insufficientPrivilege = "42501"
	invalidText           = "22P02"
	numberOutOfRange      = "22003"
)

// users are the accounts in one table of the same database.
type users struct {
	*accounts.Reader
	store *Store
	// query begins with the account's columns, which expressions can follow, and ends with from.
	query, from string
}

// dialect is PostgreSQL's.
var dialect = accounts.Dialect{
	Quote:  func(name string) string { return pgx.Identifier{name}.Sanitize() },
	Table:  func(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() },
	Prefix: func(column string, n int) string { return fmt.Sprintf("left(%s::text, %d)", column, n) },
	List:   func(query string) string { return "array_to_json(ARRAY(SELECT q.v FROM (" + query + ") AS q))::text" },
}

// kinds are those of types by their OIDs (pg_type.dat); others are texts.
var kinds = map[uint32]accounts.Kind{
	16: accounts.Bool, 20: accounts.Number, 21: accounts.Number, 23: accounts.Number,
	700: accounts.Number, 701: accounts.Number, 1700: accounts.Number,
}

// Users returns the accounts in a table. ErrNotFound means that there is no such table. Other
// errors, including that for a missing column, wrap session.ErrUnavailable.
func (s *Store) Users(ctx context.Context, table session.UserTable) (session.Users, error) {
	column := func(name string) string { return "t." + dialect.Quote(name) }
	name, id, password := dialect.Table(table.Name), column(table.ID), column(table.Password)
	active := "true"
	if table.Active != "" {
		active = "coalesce(" + column(table.Active) + ", false)"
	}
	u := &users{store: s, query: "SELECT " + id + "::text, " + password + ", " + active, from: " FROM " + name + " AS t WHERE " + id + " = $1"}
	u.Reader = &accounts.Reader{Dialect: dialect, Table: table, Columns: u.columns, Works: u.works, Select: u.selected}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, "SELECT "+id+", "+password+", "+active+" FROM "+name+" AS t LIMIT 0")
	switch {
	case isCode(err, undefinedTable):
		return nil, fmt.Errorf("%w: table %s", session.ErrNotFound, name)
	case err != nil:
		return nil, unavailable(err)
	}
	return u, nil
}

// User implements session.Users.
func (u *users) User(ctx context.Context, id string) (session.User, error) {
	user, _, err := u.selected(ctx, id, "", 0)
	return user, err
}

// selected returns an account, and the texts of n expressions that are selected besides.
func (u *users) selected(ctx context.Context, id, expressions string, n int) (session.User, []*string, error) {
	if !storable(id) {
		return session.User{}, nil, session.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var user session.User
	texts := make([]*string, n)
	into := []any{&user.ID, &user.Password, &user.Active}
	for i := range texts {
		into = append(into, &texts[i])
	}
	if n > 0 {
		expressions = ", " + expressions
	}
	err := u.store.pool.QueryRow(ctx, u.query+expressions+u.from, id).Scan(into...)
	switch {
	case errors.Is(err, pgx.ErrNoRows), isCode(err, invalidText), isCode(err, numberOutOfRange):
		return session.User{}, nil, session.ErrNotFound
	case isUndefined(err):
		return session.User{}, nil, errors.Join(accounts.ErrChanged, unavailable(err))
	case err != nil:
		return session.User{}, nil, unavailable(err)
	}
	return user, texts, nil
}

// columns returns the columns of the table that the role may read.
func (u *users) columns(ctx context.Context) (map[string]accounts.Kind, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	rows, err := u.store.pool.Query(ctx, `SELECT attname, atttypid FROM pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')`,
		dialect.Table(u.Table.Name))
	if err != nil {
		return nil, unavailable(err)
	}
	found := map[string]accounts.Kind{}
	var name string
	var oid uint32
	if _, err = pgx.ForEachRow(rows, []any{&name, &oid}, func() error { found[name] = kinds[oid]; return nil }); err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

func (u *users) works(ctx context.Context, query string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := u.store.pool.Exec(ctx, query)
	var reported *pgconn.PgError
	if errors.As(err, &reported) && strings.HasPrefix(reported.Code, "42") { // syntax error or access rule violation
		return false, nil
	}
	if err != nil {
		err = unavailable(err)
	}
	return err == nil, err
}

// isUndefined reports whether a query named what is not there, or may not be read.
func isUndefined(err error) bool {
	return isCode(err, undefinedTable) || isCode(err, undefinedColumn) || isCode(err, insufficientPrivilege)
}

func isCode(err error, code string) bool {
	var reported *pgconn.PgError
	return errors.As(err, &reported) && reported.Code == code
}
