package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"cloakroom/session"
)

// users are the accounts in one table of the same file.
type users struct {
	store *Store
	query string
	// uuid reports that the ids are UUIDs, which Django keeps without dashes in SQLite.
	uuid bool
}

// uuidType is the type of the column that Django creates for UUIDs.
const uuidType = "char(32)"

// Users returns the accounts in a table. ErrNotFound means that there is no such table. Other
// errors, including that for a missing column, wrap session.ErrUnavailable.
func (s *Store) Users(ctx context.Context, table session.UserTable) (session.Users, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var found int
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?", table.Name).Scan(&found); err != nil {
		return nil, unavailable(err)
	}
	if found == 0 {
		return nil, fmt.Errorf("%w: table %s", session.ErrNotFound, table.Name)
	}
	// SQLite takes an unqualified name of a missing column for a string.
	id, password, active := "t."+quoted(table.ID), "t."+quoted(table.Password), "true"
	if table.Active != "" {
		active = "coalesce(t." + quoted(table.Active) + ", false)"
	}
	query := "SELECT " + id + ", " + password + ", " + active + " FROM " + quoted(table.Name) + " AS t"
	rows, err := s.reader.QueryContext(ctx, query+" LIMIT 0") //nolint:rowserrcheck // there are none: it is prepared, so that a column that is not there is an error
	if err != nil {
		return nil, unavailable(err)
	}
	if err := rows.Close(); err != nil {
		return nil, unavailable(err)
	}
	var kind string
	err = s.reader.QueryRowContext(ctx, "SELECT type FROM pragma_table_info(?) WHERE lower(name) = lower(?)", table.Name, table.ID).Scan(&kind)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, unavailable(err)
	}
	return &users{s, query + " WHERE " + id + " = ?", strings.EqualFold(kind, uuidType)}, nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// User implements session.Users.
func (u *users) User(ctx context.Context, id string) (session.User, error) {
	if u.uuid {
		id = strings.ToLower(strings.ReplaceAll(id, "-", ""))
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var user session.User
	err := u.store.reader.QueryRowContext(ctx, u.query, id).Scan(&user.ID, &user.Password, &user.Active)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.User{}, session.ErrNotFound
	case err != nil:
		return session.User{}, unavailable(err)
	}
	if u.uuid && len(user.ID) == 32 {
		user.ID = withDashes(user.ID)
	}
	return user, nil
}

// withDashes returns 32 digits as a UUID's text (RFC 9562 section 4), which Django uses in
// sessions.
func withDashes(digits string) string {
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}
