package store

import (
	"context"
	"fmt"

	"cloakroom/session"
)

// Users gives the accounts in a table of the database that holds s: see
// sqlite.Store.Users and postgres.Store.Users. session.ErrNotFound says that
// there are none: no such table, or no database at all.
func Users(ctx context.Context, s session.Store, table string) (session.Users, error) {
	database, ok := s.(interface {
		Users(context.Context, string) (session.Users, error)
	})
	if !ok {
		return nil, fmt.Errorf("%w: only sqlite: and postgres: have accounts", session.ErrNotFound)
	}
	return database.Users(ctx, table)
}
