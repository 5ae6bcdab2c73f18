package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"cloakroom/session"
	"cloakroom/store/accounts"
)

// users are the accounts in one table of the same file.
type users struct {
	*accounts.Reader
	store *Store
	// query begins with the account's columns, which expressions can follow, and ends with from.
	query, from string
	// uuid reports that the ids are UUIDs, which Django keeps without dashes in SQLite.
	uuid bool
}

// uuidType is the type of the column that Django creates for UUIDs.
const uuidType = "char(32)"

// dialect is SQLite's.
var dialect = accounts.Dialect{
	Quote:  quoted,
	Table:  quoted,
	Prefix: func(column string, n int) string { return fmt.Sprintf("substr(CAST(%s AS text), 1, %d)", column, n) },
	List:   func(query string) string { return "(SELECT json_group_array(q.v) FROM (" + query + ") AS q)" },
}

// kindOf returns that of a column by its declared type, as Django and SQLite's rules of affinity
// (datatype3.html section 3.1) write and read it.
func kindOf(declared string) accounts.Kind {
	declared = strings.ToLower(declared)
	switch {
	case declared == uuidType:
		return accounts.UUID
	case strings.HasPrefix(declared, "bool"):
		return accounts.Bool
	}
	for _, part := range []string{"int", "real", "float", "double", "decimal", "numeric"} {
		if strings.Contains(declared, part) {
			return accounts.Number
		}
	}
	return accounts.Text
}

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
	u := &users{store: s, query: "SELECT " + id + ", " + password + ", " + active, from: " FROM " + quoted(table.Name) + " AS t"}
	u.Reader = &accounts.Reader{Dialect: dialect, Table: table, Columns: u.columns, Works: u.works, Select: u.selected}
	rows, err := s.reader.QueryContext(ctx, u.query+u.from+" LIMIT 0") //nolint:rowserrcheck // there are none: it is prepared, so that a column that is not there is an error
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
	u.from, u.uuid = u.from+" WHERE "+id+" = ?", strings.EqualFold(kind, uuidType)
	return u, nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// User implements session.Users.
func (u *users) User(ctx context.Context, id string) (session.User, error) {
	user, _, err := u.selected(ctx, id, "", 0)
	return user, err
}

// selected returns an account, and the texts of n expressions that are selected besides.
func (u *users) selected(ctx context.Context, id, expressions string, n int) (session.User, []*string, error) {
	if u.uuid {
		id = strings.ToLower(strings.ReplaceAll(id, "-", ""))
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
	err := u.store.reader.QueryRowContext(ctx, u.query+expressions+u.from, id).Scan(into...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.User{}, nil, session.ErrNotFound
	case isUndefined(err):
		return session.User{}, nil, errors.Join(accounts.ErrChanged, unavailable(err))
	case err != nil:
		return session.User{}, nil, unavailable(err)
	}
	if u.uuid && len(user.ID) == 32 {
		user.ID = accounts.WithDashes(user.ID)
	}
	return user, texts, nil
}

// columns returns the columns of the table.
func (u *users) columns(ctx context.Context) (map[string]accounts.Kind, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	rows, err := u.store.reader.QueryContext(ctx, "SELECT name, type FROM pragma_table_info(?)", u.Table.Name)
	if err != nil {
		return nil, unavailable(err)
	}
	defer rows.Close()
	found := map[string]accounts.Kind{}
	for rows.Next() {
		var name, declared string
		if err := rows.Scan(&name, &declared); err != nil {
			return nil, unavailable(err)
		}
		found[name] = kindOf(declared)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

func (u *users) works(ctx context.Context, query string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	rows, err := u.store.reader.QueryContext(ctx, query) //nolint:rowserrcheck // there are none: it is prepared
	if isUndefined(err) {
		return false, nil
	}
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return false, unavailable(err)
	}
	return true, nil
}

// isUndefined reports whether a query named a table or a column that is not there, which SQLite
// says in words alone.
func isUndefined(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "no such column") || strings.Contains(err.Error(), "no such table"))
}
