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
}

// Users returns the accounts in table, auth_user or another with the columns id,
// password and is_active. ErrNotFound: there is no such table. Other errors
// wrap session.ErrUnavailable.
func (s *Store) Users(ctx context.Context, table string) (session.Users, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var found int
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?", table).Scan(&found); err != nil {
		return nil, unavailable(err)
	}
	if found == 0 {
		return nil, fmt.Errorf("%w: table %s", session.ErrNotFound, table)
	}
	name := `"` + strings.ReplaceAll(table, `"`, `""`) + `"`
	rows, err := s.reader.QueryContext(ctx, "SELECT t.id, t.password, t.is_active FROM "+name+" AS t LIMIT 0")
	if err != nil {
		return nil, unavailable(err)
	}
	// Django keeps a UUID without its dashes in SQLite.
	return &users{s, "SELECT t.id, t.password, t.is_active FROM " + name + " AS t WHERE t.id IN (?, ?)"}, rows.Close()
}

// User implements session.Users.
func (u *users) User(ctx context.Context, id string) (session.User, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var user session.User
	err := u.store.reader.QueryRowContext(ctx, u.query, id, withoutDashes(id)).Scan(&user.ID, &user.Password, &user.Active)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.User{}, session.ErrNotFound
	case err != nil:
		return session.User{}, unavailable(err)
	}
	if user.ID == withoutDashes(id) && user.ID != id {
		user.ID = id // as Django writes a UUID, whose digits are those of the table
	}
	return user, nil
}

// uuidLength is that of a UUID's text with its dashes (RFC 9562 section 4).
const uuidLength = 36

func withoutDashes(id string) string {
	if len(id) != uuidLength || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return id
	}
	return id[:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
}
