package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cloakroom/session"
)

// PostgreSQL's error codes (its manual, appendix A).
const (
	undefinedTable        = "42P01"
	insufficientPrivilege = "42501"
	invalidText           = "22P02"
	numberOutOfRange      = "22003"
)

// users are the accounts in one table of the same database.
type users struct {
	store *Store
	query string
}

// Users returns the accounts in a table. ErrNotFound means that there is no such table. Other
// errors, including that for a missing column, wrap session.ErrUnavailable.
func (s *Store) Users(ctx context.Context, table session.UserTable) (session.Users, error) {
	column := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	name, id, password := pgx.Identifier(strings.Split(table.Name, ".")).Sanitize(), column(table.ID), column(table.Password)
	active := "true"
	if table.Active != "" {
		active = "coalesce(" + column(table.Active) + ", false)"
	}
	u := &users{s, "SELECT " + id + "::text, " + password + ", " + active + " FROM " + name + " WHERE " + id + " = $1"}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, "SELECT "+id+", "+password+", "+active+" FROM "+name+" LIMIT 0")
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
	if !storable(id) {
		return session.User{}, session.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var user session.User
	err := u.store.pool.QueryRow(ctx, u.query, id).Scan(&user.ID, &user.Password, &user.Active)
	switch {
	case errors.Is(err, pgx.ErrNoRows), isCode(err, invalidText), isCode(err, numberOutOfRange):
		return session.User{}, session.ErrNotFound
	case err != nil:
		return session.User{}, unavailable(err)
	}
	return user, nil
}

func isCode(err error, code string) bool {
	var reported *pgconn.PgError
	return errors.As(err, &reported) && reported.Code == code
}
