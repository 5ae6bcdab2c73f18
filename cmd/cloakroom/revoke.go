package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/service"
	"cloakroom/service/audit"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/rawjson"
)

type revokeCmd struct {
	storeFlag `embed:""`
	ID        string `arg:"" optional:"" help:"The session's ID as printed by list and in the audit log, or - to read its key from standard input."`
	User      string `placeholder:"ID" help:"Delete all sessions of this user instead."`
	usersFlag `embed:""`
	SignedAge time.Duration `placeholder:"336h" help:"SESSION_COOKIE_AGE of sessions that are kept in their cookies (signed_cookies): - then reads such a cookie, and --user revokes the user's, too."`
	Before    time.Time     `placeholder:"2026-12-31T23:59:59Z" help:"With --user and --signed-age: of the sessions in cookies, revoke only those that began by then."`
	publisher `embed:""`
	auditFlag `embed:""`
	JSON      bool `help:"Print JSON."`
}

func (c *revokeCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.SignedAge < 0 || (c.SignedAge > 0 && c.SignedAge < time.Second):
		return fmt.Errorf("%w: --signed-age must be a second at least, such as 336h", errUsage)
	case !c.Before.IsZero() && (c.User == "" || c.SignedAge == 0 || c.Before.After(time.Now())):
		return fmt.Errorf("%w: --before must be a time in the past, and requires --user and --signed-age", errUsage)
	case c.User != "" && c.ID != "":
		return fmt.Errorf("%w: a session's ID and --user exclude each other", errUsage)
	}
	if err := c.checkService(a); err != nil {
		return err
	}
	log, err := c.openAudit(a, slog.New(slog.DiscardHandler), 0) // its errors are the command's
	if err != nil {
		return err
	}
	sessions, err := c.openReadable(ctx, a)
	if err != nil {
		return err
	}
	defer sessions.Close()
	switch {
	case c.User != "":
		return c.revokeUser(ctx, a, sessions, log)
	case c.SignedAge > 0:
		return c.revokeSigned(ctx, a, sessions, log)
	}
	v, err := one{c.ID}.find(ctx, a, sessions)
	if err != nil {
		return err
	}
	ended, err := service.End(ctx, sessions, v.Key)
	unlogged := log.Write(audit.Record{Event: audit.SessionExpired, Reason: audit.Revoked, User: ended.User, Session: v.Key, Actor: actor(), Incomplete: err != nil})
	if err != nil {
		return err
	}
	for _, key := range ended.Keys {
		if err := c.publish(ctx, a, sessions, session.SessionEvent(key), api.Changed, map[string]any{"key": key}); err != nil {
			return err
		}
	}
	if c.JSON {
		return errors.Join(a.printJSON(describe(v, v.Data != nil)), unlogged)
	}
	fmt.Fprintln(a.stdout, "revoked", session.ID(v.Key))
	return unlogged
}

func (c *revokeCmd) revokeUser(ctx context.Context, a *app, sessions session.Store, log *audit.Log) error {
	var err error
	if c.User, err = c.userID(ctx, a, sessions, c.User); err != nil {
		return err
	}
	now := time.Now()
	if c.SignedAge > 0 {
		until := now
		if !c.Before.IsZero() {
			until = c.Before
		}
		if err := service.Revoke(ctx, sessions, session.RevokedUser(c.User), until, now, c.SignedAge); err != nil {
			return err
		}
	}
	var keys []string
	var opaque error // names the sessions that could not be revoked
	if c.Before.IsZero() {
		keys, opaque = service.EndUser(ctx, sessions, c.User)
	}
	unlogged := log.Write(audit.Record{Event: audit.SessionExpired, Reason: audit.Revoked, User: c.User, All: true, Ended: len(keys), Before: c.Before, Incomplete: opaque != nil, Actor: actor()})
	if c.Before.IsZero() {
		if opaque != nil && !errors.Is(opaque, session.ErrNotEnded) {
			return fmt.Errorf("after %s: %w; run it again to continue", countOf(len(keys), "session"), opaque)
		}
	}
	flush := map[string]any{"user": c.User}
	if c.SignedAge > 0 {
		flush["age"] = int64(c.SignedAge / time.Second)
	}
	if !c.Before.IsZero() {
		flush["before"] = c.Before.Unix()
	}
	if err := c.publish(ctx, a, sessions, session.UserEvent(c.User), api.Flush, flush); err != nil {
		return err
	}
	if c.JSON {
		return errors.Join(a.printJSON(map[string]int{"revoked": len(keys)}), opaque, unlogged)
	}
	and := ""
	if c.SignedAge > 0 {
		and = ", and those in cookies"
	}
	fmt.Fprintf(a.stdout, "revoked %s%s\n", countOf(len(keys), "session"), and)
	return errors.Join(opaque, unlogged)
}

// maxCookieData bounds the decompressed size of a signed cookie.
const maxCookieData = 1 << 20

// revokeSigned revokes the session of a cookie that it reads from standard input.
func (c *revokeCmd) revokeSigned(ctx context.Context, a *app, sessions session.Store, log *audit.Log) error {
	if c.ID != "-" {
		return fmt.Errorf("%w: - reads the cookie's value from standard input; there is no list of sessions that are in cookies", errUsage)
	}
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	cookie := strings.TrimSpace(line)
	codec, err := withKeys(a, func(key string, fallbacks ...string) (*django.CookieCodec, error) {
		return django.NewCookieCodec(maxCookieData, key, fallbacks...)
	})
	if err != nil {
		return err
	}
	now := time.Now()
	data, _, err := codec.Decode(cookie, c.SignedAge, now)
	if err != nil {
		return fmt.Errorf("standard input is not the cookie of a live session: %w", err)
	}
	id := signedID(cookie, data)
	if err := service.Revoke(ctx, sessions, session.RevokedSession(id), now, now, c.SignedAge); err != nil {
		return err
	}
	unlogged := log.Write(audit.Record{Event: audit.SessionExpired, Reason: audit.Revoked, User: session.UserOf(data), Session: id, Actor: actor()})
	if err := c.publish(ctx, a, sessions, session.SessionEvent(id), api.Changed, map[string]any{"key": id}); err != nil {
		return err
	}
	if c.JSON {
		return errors.Join(a.printJSON(map[string]string{"id": id, "user": userOf(data)}), unlogged)
	}
	fmt.Fprintln(a.stdout, "revoked", id)
	return unlogged
}

// signedID returns the session.Signed.ID of a cookie.
func signedID(cookie string, data []byte) string {
	members, err := rawjson.Object(string(data), nil)
	for _, m := range members {
		text, isText := rawjson.String(m.Value)
		if of, ok := session.ParseSigned(text); err == nil && m.Name == session.SignedKey && isText && ok {
			return of.ID
		}
	}
	return session.SignedID(cookie)
}

// countOf returns "1 session", "2 sessions".
func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
