// Package store opens session stores by URL.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store/cached"
	"cloakroom/store/file"
	"cloakroom/store/memory"
	"cloakroom/store/postgres"
	"cloakroom/store/redis"
	"cloakroom/store/sqlite"
)

// ErrURL is the error of an URL that Open does not support.
var ErrURL = errors.New("store URL")

// Options configures a store.
type Options struct {
	// Codec reads and writes the sessions' data, where it is signed: not in Redis. It may be nil
	// for deleting only, and for clearing where the store has the expiry outside of the data: not
	// in files.
	Codec *django.Codec
	// Create creates what is missing: the file, the table. Without it a store that does not exist
	// is session.ErrUnavailable.
	Create bool
	// ReadOnly opens an SQLite file for reading only: writes fail.
	ReadOnly bool
	// Now is the store's clock; nil means time.Now.
	Now func() time.Time

	zone *time.Location // from the URL
}

type opener func(ctx context.Context, rawURL string, o Options) (session.Store, error)

// openers are the functions that open stores, by the URL's scheme.
var openers = map[string]opener{
	"file":       parsed(openFile),
	"memory":     parsed(openMemory),
	"postgres":   openPostgres,
	"postgresql": openPostgres,
	"redis":      openRedis,
	"rediss":     openRedis,
	"sqlite":     parsed(openSQLite),
	"unix":       openRedis,
}

// Open opens the store that rawURL names:
//
//	memory:                      sessions of this process only
//	sqlite:///dir/file           Django's table in an SQLite file; sqlite:file is relative
//	postgres://user@host/dbname  Django's table in PostgreSQL; see postgres.Open
//	redis://host:6379/0          Django's cache engine on Redis or Valkey, rediss:// with TLS,
//	                             unix:///socket; see redis.Open
//	file:///dir?prefix=sessionid&age=336h
//	                             Django's file engine: SESSION_FILE_PATH, SESSION_COOKIE_NAME
//	                             and SESSION_COOKIE_AGE
//	cached+postgres://… redis://…
//	                             Django's cached_db engine: a database, a space, and a cache
//
// All but memory: accept the parameter time_zone: TIME_ZONE of a project with USE_TZ = False. In
// cached+ it is a parameter of the database's URL.
//
// The errors are ErrURL and those of the store.
func Open(ctx context.Context, rawURL string, o Options) (session.Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	rawURL, zone, err := takeZone(rawURL)
	if err != nil {
		return nil, err
	}
	if o.zone == nil {
		o.zone = zone
	}
	scheme, _, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("%w: not a URL; %s", ErrURL, known())
	}
	if database, ok := strings.CutPrefix(rawURL, "cached+"); ok {
		return openCached(ctx, database, o)
	}
	open, ok := openers[scheme]
	if !ok {
		return nil, fmt.Errorf("%w: scheme %q is unknown; %s", ErrURL, scheme, known())
	}
	return open(ctx, rawURL, o)
}

func known() string {
	var schemes []string
	for scheme := range openers {
		schemes = append(schemes, scheme+":")
	}
	slices.Sort(schemes)
	return "use one of " + strings.Join(schemes, ", ")
}

// parsed returns an opener for URLs that net/url can parse.
func parsed(open func(context.Context, *url.URL, Options) (session.Store, error)) opener {
	return func(ctx context.Context, rawURL string, o Options) (session.Store, error) {
		u, err := url.Parse(rawURL)
		if err != nil {
			return nil, fmt.Errorf("%w: not a URL", ErrURL)
		}
		return open(ctx, u, o)
	}
}

func openMemory(_ context.Context, u *url.URL, o Options) (session.Store, error) {
	if rest := u.Host + u.Path + u.Opaque + u.RawQuery; rest != "" {
		return nil, fmt.Errorf("%w: write memory: and nothing after it", ErrURL)
	}
	return memory.New(o.Now), nil
}

func openSQLite(ctx context.Context, u *url.URL, o Options) (session.Store, error) {
	file, err := sqliteFile(u)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, file, sqlite.Options{Codec: o.Codec, Create: o.Create, ReadOnly: o.ReadOnly, Zone: o.zone, Now: o.Now})
}

// sqliteFile returns the file that a URL names.
func sqliteFile(u *url.URL) (file string, err error) {
	file = u.Path
	if u.Opaque != "" {
		if file, err = url.PathUnescape(u.Opaque); err != nil {
			return "", fmt.Errorf("%w: %w", ErrURL, err)
		}
	}
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || slices.Contains([]string{"", "/", ":memory:"}, file) ||
		strings.HasPrefix(file, "//") {
		return "", fmt.Errorf("%w: write sqlite:///absolute/file or sqlite:relative/file", ErrURL)
	}
	return file, nil
}

func openPostgres(ctx context.Context, rawURL string, o Options) (session.Store, error) {
	s, err := postgres.Open(ctx, rawURL, postgres.Options{Codec: o.Codec, Create: o.Create, Zone: o.zone, Now: o.Now})
	return opened(s, err, postgres.ErrURL)
}

func openRedis(ctx context.Context, rawURL string, o Options) (session.Store, error) {
	s, err := redis.Open(ctx, rawURL, redis.Options{Zone: o.zone, Now: o.Now})
	return opened(s, err, redis.ErrURL)
}

func openFile(_ context.Context, u *url.URL, o Options) (session.Store, error) {
	query := u.Query()
	age := 14 * 24 * time.Hour
	if text := query.Get("age"); text != "" {
		var err error
		if age, err = time.ParseDuration(text); err != nil || age <= 0 {
			return nil, fmt.Errorf("%w: age must be a duration such as 336h, SESSION_COOKIE_AGE", ErrURL)
		}
	}
	prefix := query.Get("prefix")
	query.Del("age")
	query.Del("prefix")
	if u.Host != "" || u.User != nil || len(query) > 0 || u.Fragment != "" || strings.Trim(u.Path, "/") == "" || strings.Contains(prefix, "/") {
		return nil, fmt.Errorf("%w: write file:///absolute/folder?prefix=SESSION_COOKIE_NAME&age=SESSION_COOKIE_AGE", ErrURL)
	}
	s, err := file.Open(u.Path, file.Options{Codec: o.Codec, Prefix: prefix, Age: age, Zone: o.zone, Create: o.Create, Now: o.Now})
	return opened(s, err, ErrURL)
}

func openCached(ctx context.Context, rawURL string, o Options) (session.Store, error) {
	databaseURL, cacheURL, _ := strings.Cut(rawURL, " ")
	databaseScheme, _, _ := strings.Cut(databaseURL, ":")
	cacheScheme, _, _ := strings.Cut(cacheURL, ":")
	if !slices.Contains([]string{"sqlite", "postgres", "postgresql"}, databaseScheme) ||
		!slices.Contains([]string{"redis", "rediss", "unix"}, cacheScheme) {
		return nil, fmt.Errorf("%w: write cached+sqlite:… or cached+postgres:…, a space, and redis:…, rediss:… or unix:…", ErrURL)
	}
	s, err := Open(ctx, databaseURL, o)
	if err != nil {
		return nil, err
	}
	database := s.(cached.Database) // the stores of these schemes are
	cache, err := redis.Open(ctx, cacheURL, redis.Options{Engine: redis.CachedDBEngine, Zone: o.zone, Now: o.Now})
	if err != nil {
		_, err = opened(nil, err, redis.ErrURL)
		return nil, errors.Join(err, database.Close())
	}
	return cached.New(database, cache), nil
}

// opened maps a store's own error about its URL to ErrURL.
func opened(s session.Store, err, badURL error) (session.Store, error) {
	switch {
	case errors.Is(err, badURL):
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	case err != nil:
		return nil, err
	}
	return s, nil
}
