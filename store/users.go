package store

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"cloakroom/session"
	"cloakroom/store/postgres"
	"cloakroom/store/sqlite"
)

// Users returns the accounts in a table of the database that holds s: see sqlite.Store.Users and
// postgres.Store.Users. session.ErrNotFound means that there are none: no such table, or no
// database at all.
func Users(ctx context.Context, s session.Store, table session.UserTable) (session.Users, error) {
	database, ok := s.(interface {
		Users(context.Context, session.UserTable) (session.Users, error)
	})
	if !ok {
		return nil, fmt.Errorf("%w: only sqlite: and postgres: have accounts", session.ErrNotFound)
	}
	return database.Users(ctx, table)
}

// OpenUsers opens the accounts in a table of a database, sqlite: or postgres:, which need not hold
// sessions.
func OpenUsers(ctx context.Context, rawURL string, table session.UserTable) (users session.Users, closeAll func() error, err error) {
	var s session.Store
	switch scheme, _, _ := strings.Cut(rawURL, ":"); scheme {
	case "sqlite":
		var u *url.URL
		if u, err = url.Parse(rawURL); err != nil {
			return nil, nil, fmt.Errorf("%w: not a URL", ErrURL)
		}
		var file string
		if file, err = sqliteFile(u); err == nil {
			s, err = sqlite.Open(ctx, file, sqlite.Options{AccountsOnly: true, ReadOnly: true})
		}
	case "postgres", "postgresql":
		s, err = postgres.Open(ctx, rawURL, postgres.Options{AccountsOnly: true})
	default:
		err = fmt.Errorf("accounts can be in sqlite: and postgres:, not in %q", scheme)
	}
	if s, err = opened(s, err, postgres.ErrURL); err != nil {
		return nil, nil, err
	}
	if users, err = Users(ctx, s, table); err != nil {
		s.Close()
		return nil, nil, err
	}
	return users, s.Close, nil
}
