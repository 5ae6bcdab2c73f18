package main

import (
	"context"
	"errors"
	"fmt"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/store"
)

// accounts opens the users' accounts as --accounts says.
func (c *serveCmd) accounts(ctx context.Context, a *app, sessions session.Store) (_ *service.Accounts, closeAll func() error, _ error) {
	closeAll = func() error { return nil }
	var users session.Users
	var err error
	switch c.Accounts {
	case "off":
		return nil, closeAll, nil
	case "auto":
		users, err = store.Users(ctx, sessions, c.Users)
		if errors.Is(err, session.ErrNotFound) {
			return nil, closeAll, fmt.Errorf("--accounts auto: the store has no accounts (%w): --users names another table, --accounts URL another database; with --accounts off inactive users and changed passwords end no session", err)
		}
	default:
		users, closeAll, err = store.OpenUsers(ctx, c.Accounts, c.Users)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--accounts, --users: %w", err)
	}
	hasher, err := a.authHasher()
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return &service.Accounts{Users: users, Hasher: hasher, Backends: c.AuthBackends, InactiveBackends: c.Inactive}, closeAll, nil
}

// usersFlag is how commands name the table of the accounts.
type usersFlag struct {
	Users string `default:"auth_user" placeholder:"TABLE" help:"Table of the accounts, with the columns id, password and is_active."`
}

// userID returns a user's id as the database writes it, and a hint on standard error where it has
// no account of that id.
func (f usersFlag) userID(ctx context.Context, a *app, sessions session.Store, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	users, err := store.Users(ctx, sessions, f.Users)
	if errors.Is(err, session.ErrNotFound) {
		return id, nil // the accounts are elsewhere
	}
	if err != nil {
		return "", err
	}
	user, err := users.User(ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		fmt.Fprintf(a.stderr, "no account in %s has the id %q; --user takes the id, not the name\n", f.Users, id)
		return id, nil
	}
	return user.ID, err
}
