package main

import (
	"context"
	"fmt"
	"strings"

	"cloakroom/session"
	"cloakroom/store"
)

type migrateCmd struct {
	storeFlag `embed:""`
	DryRun    bool `help:"Print the pending SQL and change nothing."`
}

// indexed is how many sessions are read for the index at a time.
const indexed = 1000

// Run creates Cloakroom's own tables beside django_session, and indexes the users of existing
// sessions.
func (c *migrateCmd) Run(ctx context.Context, a *app) error {
	codec, err := a.codec()
	if err != nil {
		return err
	}
	sessions, err := store.Open(ctx, c.Store, store.Options{Codec: codec, ReadOnly: c.DryRun})
	if err != nil {
		return err
	}
	defer sessions.Close()
	if tables, ok := sessions.(session.Migrator); ok {
		due, err := tables.Pending(ctx)
		if err != nil {
			return err
		}
		for _, statement := range due {
			fmt.Fprintf(a.stdout, "%s;\n", statement)
		}
		if c.DryRun {
			return nil
		}
		if err := tables.Migrate(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, privileges)
		}
	}
	if c.DryRun {
		return nil
	}
	return c.read(ctx, a, sessions)
}

// read indexes existing sessions, and moves revocations of earlier builds.
func (c *migrateCmd) read(ctx context.Context, a *app, sessions session.Store) error {
	progress := a.progress("reading")
	defer progress.Finish()
	index, ok := sessions.(session.UserIndexer)
	if !ok {
		return session.MoveRevocations(ctx, sessions, func(int) { progress.Add(1) })
	}
	for total := 0; ; {
		n, err := index.IndexUsers(ctx, indexed)
		progress.Add(n)
		if total += n; err != nil {
			return fmt.Errorf("after %d sessions: %w; run it again to continue", total, err)
		}
		if n < indexed {
			return nil
		}
	}
}

// privileges is a hint at the privileges that the statements need.
const privileges = `cloakroom migrate needs a role that may create tables and functions in the schema of django_session, and triggers on it: its owner.
The role of cloakroom serve needs SELECT, INSERT, UPDATE and DELETE on django_session, cloakroom_feed, cloakroom_note and cloakroom_session_index, and SELECT on the accounts' table.`

// migrated returns an error for a store whose tables are not up to date.
func migrated(ctx context.Context, sessions session.Store, url string) error {
	tables, ok := sessions.(session.Migrator)
	if !ok {
		return nil
	}
	due, err := tables.Pending(ctx)
	switch {
	case err != nil:
		return err
	case len(due) > 0:
		return fmt.Errorf("the store lacks tables of Cloakroom's own, or has an earlier build's: run cloakroom migrate --store %s once (with --dry-run it prints the SQL)", quoted([]string{withoutPassword(url)}))
	}
	return nil
}

// withoutPassword returns a store's URL for printing.
func withoutPassword(url string) string {
	before, rest, ok := strings.Cut(url, "://")
	credentials, host, hasHost := strings.Cut(rest, "@")
	user, _, hasPassword := strings.Cut(credentials, ":")
	if !ok || !hasHost || !hasPassword || strings.Contains(credentials, "/") {
		return url
	}
	return before + "://" + user + ":…@" + host
}
