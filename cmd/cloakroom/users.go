package main

import (
	"context"
	"fmt"
	"log/slog"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

type usersCmd struct {
	Changed changedCmd `cmd:"" help:"Report that accounts have changed: filters look their sessions up anew, at once and not after cache.ttl."`
}

type changedCmd struct {
	storeFlag `embed:""`
	IDs       []string `arg:"" name:"id" help:"The users' IDs."`
	usersFlag `embed:""`
	publisher `embed:""`
	auditFlag `embed:""`
}

// Run publishes an event for each user. Nothing is written to the store.
func (c *changedCmd) Run(ctx context.Context, a *app) error {
	if err := c.checkService(a); err != nil {
		return err
	}
	log, err := c.openAudit(a, slog.New(slog.DiscardHandler), 0)
	if err != nil {
		return err
	}
	sessions, err := c.openReadable(ctx, a)
	if err != nil {
		return err
	}
	defer sessions.Close()
	for _, id := range c.IDs {
		if id, err = c.userID(ctx, a, sessions, id); err != nil {
			return err
		}
		if err := c.publish(ctx, a, sessions, session.UserEvent(id), api.Changed, map[string]any{"user": id}); err != nil {
			return err
		}
		if err := log.Write(audit.Record{Event: audit.AccountsChanged, User: id, Actor: actor()}); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stdout, "reported %s\n", countOf(len(c.IDs), "user"))
	return nil
}
