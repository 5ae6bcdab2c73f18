package main

import (
	"context"
	"fmt"

	"cloakroom/store"
)

type clearsessionsCmd struct {
	storeFlag `embed:""`
	Batch     int  `default:"1000" help:"How many sessions to delete at a time; others write in between."`
	JSON      bool `help:"Print JSON."`
}

func (c *clearsessionsCmd) Run(ctx context.Context, a *app) error {
	if c.Batch < 1 {
		return fmt.Errorf("%w: --batch must be at least 1", errUsage)
	}
	sessions, err := store.Open(ctx, c.Store, store.Options{})
	if err != nil {
		return err
	}
	defer sessions.Close()
	total := 0
	for {
		n, err := sessions.ClearExpired(ctx, c.Batch)
		if total += n; err != nil {
			return fmt.Errorf("after %d sessions: %w; run it again to go on", total, err)
		}
		if n < c.Batch {
			break
		}
	}
	if c.JSON {
		return a.printJSON(map[string]int{"cleared": total})
	}
	fmt.Fprintf(a.stdout, "cleared %d expired sessions\n", total)
	return nil
}
