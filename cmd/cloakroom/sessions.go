package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

type sessionsCmd struct {
	List   listCmd   `cmd:"" help:"List the live sessions."`
	Show   showCmd   `cmd:"" help:"Show the data of a session."`
	Revoke revokeCmd `cmd:"" help:"Delete a session: every browser with its cookie is logged out."`
}

// listed is the printed form of a session. Its key is a secret that gives access to the session;
// the ID is derived from the key and gives none.
type listed struct {
	ID       string          `json:"id"`
	Key      string          `json:"key,omitempty"`
	Expires  time.Time       `json:"expires"`
	User     string          `json:"user,omitempty"`
	Bytes    int             `json:"bytes"`
	Readable bool            `json:"readable"`
	Data     json.RawMessage `json:"data,omitempty"`
	// Withheld are the keys of values that data omits, and why.
	Withheld map[string]string `json:"withheld,omitempty"`
}

func describe(v session.Session, readable bool) listed {
	l := listed{ID: session.ID(v.Key), Expires: v.Expires, User: userOf(v.Data), Bytes: len(v.Data), Readable: readable}
	if v.Origin != nil && len(v.Origin.Withheld) > 0 {
		l.Withheld = map[string]string{}
		for _, w := range v.Origin.Withheld {
			key := w.Key
			if key == "" {
				key = "(a key that JSON cannot represent)"
			}
			l.Withheld[key] = w.Why
		}
	}
	return l
}

// userOf returns the user as JSON writes it, without quotes: without control characters for a
// terminal.
func userOf(data []byte) string {
	return strings.Trim(string(rawjson.AppendString(nil, session.UserOf(data))), `"`)
}

// unreadable reports whether err concerns one session only.
func unreadable(err error) bool {
	return errors.Is(err, session.ErrUnreadable) || errors.Is(err, session.ErrTooLarge)
}

type listCmd struct {
	storeFlag `embed:""`
	JSON      bool   `help:"Print JSON."`
	User      string `placeholder:"ID" help:"List the sessions of one user."`
	usersFlag `embed:""`
	ShowKeys  bool `help:"Print the keys, too: each gives access to its session."`
}

func (c *listCmd) Run(ctx context.Context, a *app) error {
	sessions, err := c.openReading(ctx, a)
	if err != nil {
		return err
	}
	defer sessions.Close()
	if c.User, err = c.userID(ctx, a, sessions, c.User); err != nil {
		return err
	}
	all, err := c.list(ctx, sessions)
	if err != nil {
		return err
	}
	print := a.printTable
	if c.JSON {
		print = func(all []listed) error { return a.printJSON(all) }
	}
	return errors.Join(print(all), a.hint(all))
}

func (c *listCmd) list(ctx context.Context, sessions session.Store) (all []listed, err error) {
	all = []listed{}
	add := func(v session.Session, err error) {
		l := describe(v, err == nil)
		if c.ShowKeys {
			l.Key = v.Key
		}
		all = append(all, l)
	}
	if c.User != "" {
		err := session.OfUser(ctx, sessions, c.User, func(v session.Session, err error) {
			if err == nil {
				add(v, nil)
			}
		})
		return all, err
	}
	for v, err := range sessions.All(ctx) {
		if err != nil && !unreadable(err) {
			return nil, err
		}
		add(v, err)
	}
	return all, nil
}

// hint writes what to do about sessions that cannot be read. If none can be read, it returns an
// error.
func (a *app) hint(all []listed) error {
	unreadable := 0
	for _, l := range all {
		if !l.Readable {
			unreadable++
		}
	}
	what := fmt.Sprintf("%d of %s cannot be read: is CLOAKROOM_SECRET_KEY Django's SECRET_KEY?", unreadable, countOf(len(all), "session"))
	switch {
	case unreadable == 0:
		return nil
	case unreadable == len(all):
		return errors.New(what)
	}
	fmt.Fprintln(a.stderr, what)
	return nil
}

func (a *app) printTable(all []listed) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tEXPIRES\tUSER\tBYTES\tKEY")
	for _, l := range all {
		if !l.Readable {
			l.User = "(unreadable)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", l.ID, l.Expires.Format(time.RFC3339), l.User, l.Bytes, l.Key)
	}
	return w.Flush()
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// one is the flags that name one session, without its key on the command line, where other users
// of the machine could read it.
type one struct {
	ID string `arg:"" help:"The session's ID as printed by list and in the audit log, or - to read its key from standard input."`
}

// find returns the session even if its data cannot be read.
func (o one) find(ctx context.Context, a *app, sessions session.Store) (session.Session, error) {
	if o.ID == "" {
		return session.Session{}, fmt.Errorf("%w: which session? cloakroom sessions list shows the IDs", errUsage)
	}
	id := strings.ToLower(o.ID)
	if id == "-" {
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return session.Session{}, err
		}
		id = session.ID(strings.TrimSpace(line))
	}
	if !session.IsID(id) {
		return session.Session{}, fmt.Errorf("%w: %q is no session's ID; cloakroom sessions list shows them", errUsage, o.ID)
	}
	for v, err := range sessions.All(ctx) {
		if err != nil && !unreadable(err) {
			return session.Session{}, err
		}
		if session.ID(v.Key) == id {
			return v, nil
		}
	}
	return session.Session{}, fmt.Errorf("%w: no live session has the ID %s", session.ErrNotFound, id)
}

type showCmd struct {
	storeFlag `embed:""`
	one       `embed:""`
	JSON      bool `help:"Print JSON, which is the only form of this command."`
}

func (c *showCmd) Run(ctx context.Context, a *app) error {
	sessions, err := c.openReading(ctx, a)
	if err != nil {
		return err
	}
	defer sessions.Close()
	v, err := c.find(ctx, a, sessions)
	if err != nil {
		return err
	}
	l := describe(v, v.Data != nil)
	l.Data = bytes.Clone(v.Data)
	return a.printJSON(l)
}
