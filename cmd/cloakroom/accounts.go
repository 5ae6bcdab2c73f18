package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/store"
)

// accounts opens the users' accounts that --accounts selects.
func (c *serveCmd) accounts(ctx context.Context, a *app, sessions session.Store) (_ *service.Accounts, closeAll func() error, _ error) {
	closeAll = func() error { return nil }
	table, err := c.tables()
	if err != nil {
		return nil, nil, err
	}
	var users session.Users
	switch c.Accounts {
	case "off":
		return nil, closeAll, nil
	case "auto":
		users, err = store.Users(ctx, sessions, table)
		if errors.Is(err, session.ErrNotFound) {
			return nil, closeAll, fmt.Errorf("--accounts auto: the store has no accounts (%w): --users names another table, --accounts URL another database; with --accounts off inactive users and changed passwords end no session", err)
		}
	default:
		users, closeAll, err = store.OpenUsers(ctx, c.Accounts, table)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--accounts, --users, --user-columns: %w", err)
	}
	hasher, err := a.authHasher()
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return &service.Accounts{Users: users, Hasher: hasher, Backends: c.AuthBackends, InactiveBackends: c.Inactive}, closeAll, nil
}

// usersFlag is the flags that name the table of the accounts.
type usersFlag struct {
	Users   string   `default:"auth_user" placeholder:"TABLE" help:"Table of the accounts (default ${default})."`
	Columns []string `name:"user-columns" default:"id,password,is_active" placeholder:"ID,PASSWORD,ACTIVE" help:"Its columns; without the third every user is active (default ${default})."`
}

// table returns the table that the flags name.
func (f usersFlag) table() (session.UserTable, error) {
	if n := len(f.Columns); n < 2 || n > 3 || slices.Contains(f.Columns, "") {
		return session.UserTable{}, fmt.Errorf("%w: --user-columns %q: write the columns of the id, the password and, if there is one, whether the user is active, such as id,password,is_active", errUsage, strings.Join(f.Columns, ","))
	}
	table := session.UserTable{Name: f.Users, ID: f.Columns[0], Password: f.Columns[1]}
	if len(f.Columns) == 3 {
		table.Active = f.Columns[2]
	}
	return table, nil
}

// tables returns what the flags name, with the tables of relations.
func (c *serveCmd) tables() (table session.UserTable, err error) {
	if table, err = c.table(); err != nil {
		return table, err
	}
	django := session.DjangoUsers(c.Users)
	if table.Groups, err = relation("--user-groups", "GROUP", c.Groups, django.Groups); err == nil {
		table.Permissions, err = relation("--user-permissions", "PERMISSION", c.Permissions, django.Permissions)
	}
	return table, err
}

func relation(flag, other string, parts []string, auto session.Relation) (session.Relation, error) {
	switch {
	case slices.Equal(parts, []string{"auto"}):
		return auto, nil
	case slices.Equal(parts, []string{"off"}):
		return session.Relation{}, nil
	case len(parts) != 3 || slices.Contains(parts, ""):
		return session.Relation{}, fmt.Errorf("%w: %s %q: want auto, off, or TABLE,USER,%s, a table and its columns of users' ids and of the others'", errUsage, flag, strings.Join(parts, ","), other)
	}
	return session.Relation{Table: parts[0], User: parts[1], Other: parts[2]}, nil
}

// userID returns a user's id as the database writes it. If there is no account with that id, it
// writes a hint to standard error.
func (f usersFlag) userID(ctx context.Context, a *app, sessions session.Store, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	table, err := f.table()
	if err != nil {
		return "", err
	}
	users, err := store.Users(ctx, sessions, table)
	if errors.Is(err, session.ErrNotFound) {
		return id, nil // the accounts are in another database
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
