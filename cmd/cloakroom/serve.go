package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/store"
)

type serveCmd struct {
	storeFlag    `embed:""`
	Listen       string `default:"127.0.0.1:8081" placeholder:"ADDR" help:"Address for HTTP/1.1 and HTTP/2 without TLS; port 0 selects a free one (default ${default})."`
	Accounts     string `default:"auto" placeholder:"auto|off|URL" help:"Database with the users' accounts, so that a changed password ends sessions and inactive users are refused: auto (the store's own), off, or a sqlite: or postgres: URL (default ${default})."`
	usersFlag    `embed:""`
	Groups       []string `name:"user-groups" default:"auto" placeholder:"auto|off|TABLE,USER,GROUP" help:"Table of the users' groups, its column of users' ids and its column of groups' ids, for user.groups and user.permissions: auto (Django's own where --users is auth_user), off, or names (default ${default})."`
	Permissions  []string `name:"user-permissions" default:"auto" placeholder:"auto|off|TABLE,USER,PERMISSION" help:"The same of the permissions that users have without a group, for user.permissions (default ${default})."`
	AuthBackends []string `default:"django.contrib.auth.backends.ModelBackend" placeholder:"PATH,…" help:"AUTHENTICATION_BACKENDS: sessions of other backends are refused, and x-session-login logs in by the first (default ${default})."`
	Inactive     []string `name:"inactive-backends" placeholder:"PATH,…" help:"Those of --auth-backends that admit inactive users, as django.contrib.auth.backends.AllowAllUsersModelBackend does."`
	tokensFlag   `embed:""`
	Sweep        time.Duration `default:"1h" placeholder:"DURATION" help:"Interval of deleting expired sessions in the background; 0: never (default ${default})."`
	LogFormat    string        `default:"text" enum:"text,json" help:"Form of the log on standard error: text or json."`
	auditFlag    `embed:""`
	MaxData      int `default:"65536" placeholder:"BYTES" help:"Maximum size of a session after a write, in bytes of JSON (default ${default})."`
}

// drain is how long requests may take after the signal to stop.
const drain = 10 * time.Second

// maxUnauthenticated is the maximum number of open connections without a request with the token.
const maxUnauthenticated = 256

// maxUnwritten is how many lines of the audit log may wait for a disk, or a reader, that hangs.
const maxUnwritten = 4096

func (c *serveCmd) Run(ctx context.Context, a *app) error {
	signal.Ignore(syscall.SIGPIPE) // a reader of the logs that is gone must not end the service
	log := a.logger(c.LogFormat)
	token, err := a.requiredSecret("CLOAKROOM_TOKEN", "the token that the filter sends (engine.service.token)")
	if err != nil {
		return err
	}
	audit, err := c.openAudit(a, log, maxUnwritten)
	if err != nil {
		return err
	}
	defer audit.Close()
	codec, err := a.codec()
	if err != nil {
		return err
	}
	sessions, err := store.Open(ctx, c.Store, store.Options{Codec: codec})
	if err != nil {
		return err
	}
	defer sessions.Close()
	if err := migrated(ctx, sessions, c.Store); err != nil {
		return err
	}
	if _, ok := sessions.(session.Migrator); !ok {
		if err := moveRevocations(ctx, sessions, log); err != nil {
			return err
		}
	}
	accounts, closeAccounts, err := c.accounts(ctx, a, sessions)
	if err != nil {
		return err
	}
	defer closeAccounts()
	tokens, err := c.tokens(log)
	if err != nil {
		return err
	}
	feed, err := store.Feed(ctx, sessions)
	if err != nil {
		return err
	}
	defer feed.Close()
	guard := service.NewGuard(maxUnauthenticated)
	handler, err := service.New(service.Config{Guard: guard, Store: sessions, Feed: feed, Token: token, Accounts: accounts, Tokens: tokens, MaxData: c.MaxData, Log: log, Audit: audit})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if c.Sweep > 0 {
		go service.Sweep(ctx, sessions, c.Sweep, log)
	}
	if bounded, ok := sessions.(session.Bounded); ok {
		go service.WatchCapacity(ctx, bounded, log)
	}
	if index, ok := sessions.(session.UserIndex); ok {
		go service.Index(ctx, index, log)
	}
	go service.LogNotices(ctx, log, sessions, feed)
	log.Info("ready", "address", listener.Addr().String())
	return serve(ctx, newServer(handler, guard, log), listener, log)
}

// moveRevocations stores notes for an earlier build's revocations, once in a store's life.
func moveRevocations(ctx context.Context, sessions session.Store, log *slog.Logger) error {
	next := time.Now().Add(5 * time.Second)
	return session.MoveRevocations(ctx, sessions, func(n int) {
		if now := time.Now(); now.After(next) {
			log.Info("reading every session once, for revocations of earlier builds", "read", n)
			next = now.Add(5 * time.Second)
		}
	})
}

func (a *app) logger(format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, nil))
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}

func newServer(handler http.Handler, guard *service.Guard, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		ConnContext:       guard.ConnContext,
		ConnState:         guard.ConnState,
		Protocols:         &protocols,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		// Longer than Envoy keeps idle upstream connections (an hour), so that Envoy closes them,
		// and never during a request.
		IdleTimeout:    2 * time.Hour,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serve runs until ctx ends, then waits for the requests in progress.
func serve(ctx context.Context, server *http.Server, listener net.Listener, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping", "drain", drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(errors.New("requests were cut off"), err, server.Close())
	}
	log.Info("stopped")
	return nil
}
