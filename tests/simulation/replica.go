package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
)

// token is what the filter proves itself by.
const token = "a-token"

// replica is one of the session service's: its real handler, whose time, randomness, store and
// feed are the world's.
type replica struct {
	w           *world
	n           int
	clock       clock
	handler     http.Handler
	tasks       []*task
	down        bool
	frozenUntil time.Duration
	faults
}

// faults are until when something is wrong with a node.
type faults [numKinds]time.Duration

// suffers reports whether a fault of a kind happens now; it does so to so many percent of
// what it could happen to.
func (r *replica) suffers(k kind, percent uint64) bool {
	if r.faults[k] <= r.w.now || !r.w.chance(percent, forReplica, uint64(r.n), uint64(k)) {
		return false
	}
	r.w.stats.faults[k]++
	return true
}

func newReplica(w *world, n int) *replica {
	r := &replica{w: w, n: n, clock: clock{w: w}}
	r.begin()
	return r
}

// begin starts the replica's process.
func (r *replica) begin() {
	c := service.Config{
		Store: handle{r.w.store, r}, Feed: subscription{r.w.feed, r}, Token: token,
		Now: r.clock.now, Random: r.w.random(), WithTimeout: r.w.withTimeout, Each: r.each,
		Log: slog.New(slog.DiscardHandler),
	}
	if r.w.plan.tokens {
		c.Tokens = &service.Tokens{Issuer: "sim", Keys: mint{r.w}}
	}
	if r.w.plan.acct {
		c.Accounts = &service.Accounts{Users: users{r}, Hasher: hasher}
	}
	var err error
	if r.handler, err = service.New(c); err != nil {
		panic(err)
	}
	r.down = false
}

// die ends the process: what it was doing is not done, and its clients are told at once.
func (r *replica) die() {
	r.down = true
	r.abandon()
}

func (r *replica) abandon() {
	for _, t := range slices.Clone(r.tasks) {
		t.kill()
	}
	r.tasks = nil
}

func (r *replica) drop(t *task) {
	r.tasks = slices.DeleteFunc(r.tasks, func(other *task) bool { return other == t })
}

// serve answers a request of the API; done is called with the response unless the replica
// dies first.
func (r *replica) serve(path, body string, ctx *deadline, done func(status int, body string)) *task {
	request := (&http.Request{
		Method: http.MethodPost, URL: parsedURL(path), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "sessions",
		Header: http.Header{"Authorization": {"Bearer " + token}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}).WithContext(ctx)
	out := &recorder{status: http.StatusOK, header: http.Header{}}
	return r.spawn(func() { r.handler.ServeHTTP(out, request) }, func() { done(out.status, out.body.String()) })
}

// call has an operator's call made by itself.
func (r *replica) call(path, body string, done func(status int, body string)) {
	ctx, _ := r.w.withTimeout(context.Background(), time.Hour)
	r.serve(path, body, ctx.(*deadline), done)
}

// recorder is an http.ResponseWriter.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) WriteHeader(status int)         { r.status = status }
func (r *recorder) Write(text []byte) (int, error) { return r.body.Write(text) }

// hasher makes the hashes that Django keeps of passwords.
var hasher = func() *django.AuthHasher {
	h, err := django.NewAuthHasher("a-secret-key")
	if err != nil {
		panic(err)
	}
	return h
}()

// users are the accounts, in the store.
type users struct{ r *replica }

// User implements session.Users.
func (u users) User(ctx context.Context, id string) (found session.User, err error) {
	err = handle{u.r.w.store, u.r}.do(ctx, func() error {
		account := u.r.w.oracle.accounts[id]
		if account == nil {
			return session.ErrNotFound
		}
		found = session.User{ID: id, Password: account.password, Active: account.active}
		return nil
	})
	return found, err
}

// random is the source of session keys.
func (w *world) random() io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		x := w.draw(forKey)
		for i := range p {
			x = mix(x)
			p[i] = byte(x)
		}
		return len(p), nil
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
