package main

import (
	"context"
	"errors"
	"fmt"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/store"
)

// accounts opens the users' accounts as --accounts says. With auto, a store
// that has none leaves sessions unchecked, and the log says so.
func (c *serveCmd) accounts(ctx context.Context, a *app, sessions session.Store) (_ *service.Accounts, closeAll func() error, _ error) {
	closeAll = func() error { return nil }
	if c.Accounts == "off" {
		return nil, closeAll, nil
	}
	from := sessions
	if c.Accounts != "auto" {
		opened, err := store.Open(ctx, c.Accounts, store.Options{})
		if err != nil {
			return nil, closeAll, fmt.Errorf("--accounts: %w", err)
		}
		from, closeAll = opened, opened.Close
	}
	users, err := store.Users(ctx, from, c.Users)
	switch {
	case c.Accounts == "auto" && errors.Is(err, session.ErrNotFound):
		return nil, closeAll, nil
	case err != nil:
		return nil, closeAll, errors.Join(fmt.Errorf("--accounts, --users: %w", err), closeAll())
	}
	hasher, err := a.authHasher()
	if err != nil {
		return nil, closeAll, errors.Join(err, closeAll())
	}
	return &service.Accounts{Users: users, Hasher: hasher}, closeAll, nil
}
