package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

const (
	// sessionsPerUser is how many of the stored sessions each user has.
	sessionsPerUser = 2
	// revocations is how many revocations each round makes, by concurrent revokers: of users, and
	// of single sessions.
	revocations = 500
	revokers    = 16
	// window is how long requests are measured while the index is built, and as long without.
	window = 4 * time.Second
	// Of a hundred requests updates update a session, and creations create one.
	updates, creations = 10, 5
)

// indexedStore is a store that finds a user's sessions by an index.
type indexedStore struct {
	name string
	// start starts the server and stores n sessions in it, without an index.
	start func(ctx context.Context, dir, secretKey string, n int) (url string, stop func() error, err error)
}

var indexedStores = []indexedStore{{"sqlite", startSQLite}, {"postgres", startPostgres}, {"redis", startRedis}}

func startSQLite(ctx context.Context, dir, secretKey string, n int) (string, func() error, error) {
	file := filepath.Join(dir, "db.sqlite3")
	url := "sqlite://" + file
	encode, err := signed(secretKey)
	if err == nil {
		err = djangoTable(ctx, map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": file}, secretKey)
	}
	if err == nil {
		err = bulkSQLite(ctx, file, rows(n, encode), n)
	}
	return url, func() error { return nil }, err
}

func startPostgres(ctx context.Context, _, secretKey string, n int) (string, func() error, error) {
	server, err := testenv.StartPostgres(ctx, testenv.PostgresConfig{})
	if err != nil {
		return "", nil, err
	}
	url := server.URL("postgres")
	encode, err := signed(secretKey)
	if err == nil {
		err = djangoTable(ctx, map[string]any{
			"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": server.Port, "NAME": "postgres", "USER": "postgres", "PASSWORD": server.Password(),
		}, secretKey)
	}
	if err == nil {
		err = bulkPostgres(ctx, url, rows(n, encode), n)
	}
	return url, server.Stop, err
}

func startRedis(ctx context.Context, _, _ string, n int) (string, func() error, error) {
	server, err := testenv.StartRedis(ctx, testenv.RedisConfig{Server: testenv.Valkey})
	if err != nil {
		return "", nil, err
	}
	return "redis://" + server.Address() + "/0", server.Stop, bulkRedis(ctx, server.Address(), rows(n, pickled), n)
}

// djangoTable creates only Django's table, as its migrations do.
func djangoTable(ctx context.Context, database map[string]any, secretKey string) error {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		return err
	}
	site, err := testenv.StartDjangoSite(ctx, testenv.Engine{Name: "that makes the table", Settings: map[string]any{
		"SECRET_KEY": secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends.db", "DATABASES": map[string]any{"default": database},
	}}, ports[0], 1)
	if err != nil {
		return err
	}
	return site.Stop()
}

// usersBench measures one store.
type usersBench struct {
	store  session.Store
	server *httptest.Server
	client *http.Client
	token  string
	keys   []string // sessions that the load looks up and updates
	out    *strings.Builder
}

// users measures operations on all sessions of a user in each store that has an index: building
// the index under load, and revocations.
func (c *cli) users(ctx context.Context) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%d sessions of %d users; load, service and store share the machine. In windows of %s, with and without the index being made, %d connections "+
		"look sessions up, update (%d %%) and make (%d %%) them. Then %d calls of each kind, %d at once, three times in turns.\n\n",
		c.Stored, c.Stored/sessionsPerUser, window, storeConnections, updates, creations, revocations, revokers)
	fmt.Fprintln(&out, "| store | index made in | p99 without, with | times (at most 1.5) | ending one session, p50, p99 | all of a user, p50, p99 | times (at most 5) | failed |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|---|---|")
	for _, s := range indexedStores {
		if len(c.UserStores) > 0 && !slices.Contains(c.UserStores, s.name) {
			continue
		}
		if err := c.usersOf(ctx, s, &out); err != nil {
			return out.String(), fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return out.String(), nil
}

func (c *cli) usersOf(ctx context.Context, s indexedStore, out *strings.Builder) error {
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	secretKey := rand.Text()
	url, stop, err := s.start(ctx, dir, secretKey, c.Stored)
	if stop != nil {
		defer stop()
	}
	if err != nil {
		return err
	}
	b, err := newUsersBench(ctx, url, secretKey, out)
	if err != nil {
		return err
	}
	defer b.stop()
	took, without, with, err := b.indexing(ctx, c.Rounds)
	if err != nil {
		return err
	}
	single, user, failed, err := b.revoking(ctx, c.Stored/sessionsPerUser)
	if err != nil {
		return err
	}
	slow, fast := quantile(with, 0.99), quantile(without, 0.99)
	one, all := quantile(single, 0.99), quantile(user, 0.99)
	fmt.Fprintf(out, "| %s | %s | %s, %s | %.2f | %s, %s | %s, %s | %.2f | %d |\n", s.name, took.Round(time.Second), short(fast), short(slow), float64(slow)/float64(fast),
		short(quantile(single, 0.5)), short(one), short(quantile(user, 0.5)), short(all), float64(all)/float64(one), failed)
	return nil
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// newUsersBench runs the service on a store, in this process.
func newUsersBench(ctx context.Context, url, secretKey string, out *strings.Builder) (*usersBench, error) {
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		return nil, err
	}
	b := &usersBench{token: rand.Text(), out: out, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: revokers}}}
	if b.store, err = store.Open(ctx, url, store.Options{Codec: codec}); err != nil {
		return nil, err
	}
	if tables, ok := b.store.(session.Migrator); ok {
		start := time.Now()
		if err := tables.Migrate(ctx); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "\rcloakroom migrate made its tables in %s\n", time.Since(start).Round(100*time.Millisecond))
	}
	feed, err := store.Feed(ctx, b.store)
	if err != nil {
		return nil, err
	}
	handler, err := service.New(service.Config{Store: b.store, Feed: feed, Token: b.token, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return nil, err
	}
	b.server = httptest.NewServer(handler)
	for range stored {
		key, err := session.NewKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		b.keys = append(b.keys, key)
		if err := b.store.Create(ctx, session.Session{Key: key, Data: []byte(userData("0")), Expires: time.Now().Add(time.Hour)}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *usersBench) stop() {
	b.server.Close()
	_ = b.store.Close()
}

func (b *usersBench) post(ctx context.Context, path string, body any) (*http.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.server.URL+path, bytes.NewReader(text))
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return r, err
}

// mixed returns a request of the load.
func (b *usersBench) mixed(ctx context.Context) (*http.Request, error) {
	key := b.keys[mrand.IntN(len(b.keys))]
	switch n := mrand.IntN(100); {
	case n < updates:
		return b.post(ctx, "/v1/update", map[string]any{"age": 3600, "key": key, "patch": map[string]any{"n": n}})
	case n < updates+creations:
		return b.post(ctx, "/v1/login", map[string]any{"age": 3600, "user": "0"})
	}
	return b.post(ctx, "/v1/lookup", map[string]any{"key": key})
}

// indexing measures windows with and without the index being built, and then completes it.
func (b *usersBench) indexing(ctx context.Context, rounds int) (took time.Duration, without, with []time.Duration, err error) {
	index := b.store.(session.UserIndex) // all indexedStores are
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		start := time.Now()
		running.Go(func() { service.Index(ctx, index, log) })
		return func() { cancel(); running.Wait(); took += time.Since(start) }
	}
	measure := func(to *[]time.Duration) error {
		if _, err := requests(ctx, b.mixed, storeConnections, window/4); err != nil { // until the load has started
			return err
		}
		all, err := requests(ctx, b.mixed, storeConnections, window)
		*to = append(*to, all...)
		return err
	}
	for round := 0; round < rounds && !complete(ctx, index); round++ {
		fmt.Fprintf(os.Stderr, "\rthe index is made, round %d of %d      ", round+1, rounds)
		if err := measure(&without); err != nil {
			return 0, nil, nil, err
		}
		stop := run()
		err := measure(&with)
		if stop(); err != nil {
			return 0, nil, nil, err
		}
	}
	slices.Sort(without)
	slices.Sort(with)
	go service.Index(ctx, index, log)
	start := time.Now()
	for !complete(ctx, index) {
		if ctx.Err() != nil {
			return 0, nil, nil, ctx.Err()
		}
	}
	return took + time.Since(start), without, with, nil
}

// complete reports whether all sessions are indexed. If the store allows, it indexes some.
func complete(ctx context.Context, index session.UserIndex) bool {
	if indexer, ok := index.(session.UserIndexer); ok {
		const some = 500
		n, err := indexer.IndexUsers(ctx, some)
		return err == nil && n < some
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _, err := index.UserKeys(ctx, "nobody")
	if err != nil {
		time.Sleep(100 * time.Millisecond)
	}
	return err == nil
}

// revoking revokes single sessions and all of users, in turns.
func (b *usersBench) revoking(ctx context.Context, users int) (single, user []time.Duration, failed int, err error) {
	drawn := mrand.Perm(users)
	for range 3 {
		took, bad := b.flush(ctx, func(i int) map[string]any { return map[string]any{"key": b.keys[i]} })
		b.keys = b.keys[revocations:]
		single, failed = append(single, took...), failed+bad
		took, bad = b.flush(ctx, func(i int) map[string]any { return map[string]any{"user": strconv.Itoa(1 + drawn[i%len(drawn)])} })
		drawn = drawn[min(revocations, len(drawn)-1):]
		user, failed = append(user, took...), failed+bad
	}
	slices.Sort(single)
	slices.Sort(user)
	return single, user, failed, ctx.Err()
}

func (b *usersBench) flush(ctx context.Context, what func(i int) map[string]any) (took []time.Duration, failed int) {
	var mu sync.Mutex
	var revoking sync.WaitGroup
	for revoker := range revokers {
		revoking.Go(func() {
			for i := revoker; i < revocations; i += revokers {
				start := time.Now()
				err := b.flushOne(ctx, what(i))
				mu.Lock()
				if took = append(took, time.Since(start)); err != nil {
					failed++
					fmt.Fprintln(os.Stderr, err)
				}
				mu.Unlock()
			}
		})
	}
	revoking.Wait()
	return took, failed
}

func (b *usersBench) flushOne(ctx context.Context, what map[string]any) error {
	request, err := b.post(ctx, "/v1/flush", what)
	if err != nil {
		return err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/v1/flush responded with %s: %s", response.Status, text)
	}
	return err
}
