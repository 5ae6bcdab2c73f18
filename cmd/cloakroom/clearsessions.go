package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"cloakroom/session"
	"cloakroom/store"
)

type clearsessionsCmd struct {
	storeFlag `embed:""`
	Batch     int  `default:"1000" help:"How many sessions to delete at a time; other writes run in between."`
	JSON      bool `help:"Print JSON."`
}

func (c *clearsessionsCmd) Run(ctx context.Context, a *app) error {
	if c.Batch < 1 {
		return fmt.Errorf("%w: --batch must be at least 1", errUsage)
	}
	sessions, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer sessions.Close()
	progress := a.progress("clearing")
	total := 0
	for {
		n, err := sessions.ClearExpired(ctx, c.Batch)
		progress.Add(n)
		if total += n; err != nil {
			progress.Finish()
			return fmt.Errorf("after %d sessions: %w; run it again to continue", total, err)
		}
		if n < c.Batch {
			break
		}
	}
	progress.Finish()
	if c.JSON {
		return a.printJSON(map[string]int{"cleared": total})
	}
	fmt.Fprintf(a.stdout, "cleared %d expired sessions\n", total)
	return nil
}

// open opens the store. Only files must be read to find out when a session expires.
func (c *clearsessionsCmd) open(ctx context.Context, a *app) (session.Store, error) {
	if strings.HasPrefix(c.Store, "file:") {
		return c.openReadable(ctx, a)
	}
	return store.Open(ctx, c.Store, store.Options{})
}

// progress returns a progress bar on standard error. It is invisible if that is no terminal.
func (a *app) progress(what string) *progressbar.ProgressBar {
	f, ok := a.stderr.(*os.File)
	return progressbar.NewOptions(-1,
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("sessions"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}
