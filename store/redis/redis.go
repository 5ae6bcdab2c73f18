// Package redis keeps sessions where Django's cache engine keeps them with
// Django's own Redis backend (django.core.cache.backends.redis.RedisCache), in
// Redis from 6.2 on or Valkey. Django may use the same keys at the same time.
//
// The data is pickled, as Django pickles it; package pickle says what is read.
// A session ends when Redis forgets it, to the millisecond, so that there is
// nothing to clear. Django itself writes whole seconds.
//
// Changes are compare and set: what was read must still be there when it is
// written, or it is read again. The server must allow scripts (EVAL). Redis
// Cluster, which Django's backend cannot use either, is not supported: to give
// a session a new key is atomic on one server only. Sentinel is.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
)

// ErrURL says that a text is no URL of a Redis server.
var ErrURL = errors.New("URL of a Redis server")

// The prefixes of Django's two engines, which follow KEY_PREFIX and VERSION
// (KEY_PREFIX in django.contrib.sessions.backends.cache and cached_db).
const (
	CacheEngine    = "django.contrib.sessions.cache"
	CachedDBEngine = "django.contrib.sessions.cached_db"
)

// Timeout bounds every operation whose context has no earlier deadline.
const Timeout = 5 * time.Second

// Options is what a Store needs besides the server.
type Options struct {
	// Engine is CacheEngine or CachedDBEngine; empty: CacheEngine.
	Engine string
	// Zone is TIME_ZONE of a project with USE_TZ = False, else nil.
	Zone *time.Location
	// Now is the clock. A session is dead where either it or the server's
	// says so.
	Now func() time.Time
}

// Store is a session.Store in Redis; make one with Open.
type Store struct {
	client *redis.Client
	prefix string
	zone   *time.Location
	now    func() time.Time
	notice atomic.Pointer[string] // of who runs FollowUsers
}

var _ session.Store = (*Store)(nil)

// Open connects to the server that rawURL names:
//
//	redis://user:password@host:6379/0    rediss:// with TLS, unix://user:password@/socket?db=0
//	redis://…@sentinel:26379/0?master_name=NAME&addr=sentinel2:26379
//
// Besides go-redis's parameters (pool_size, dial_timeout, read_timeout, …)
// there are Django's key_prefix and version, which stand for KEY_PREFIX and
// VERSION of the cache that SESSION_CACHE_ALIAS names.
//
// Errors wrap ErrURL or session.ErrUnavailable. They do not hold the password.
func Open(ctx context.Context, rawURL string, o Options) (*Store, error) {
	if o.Engine == "" {
		o.Engine = CacheEngine
	}
	s := &Store{zone: o.Zone, now: o.Now}
	u, err := url.Parse(rawURL)
	if err == nil {
		if s.prefix, err = takePrefix(u, o.Engine); err == nil {
			s.client, err = connect(u)
		}
	}
	var bad *url.Error
	switch {
	case errors.As(err, &bad): // it repeats the URL
		return nil, fmt.Errorf("%w: %w", ErrURL, bad.Err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if err := s.Ping(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

// takePrefix takes Django's parameters out of the URL and gives what keys
// begin with (django.core.cache.backends.base.default_key_func).
func takePrefix(u *url.URL, engine string) (string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", err
	}
	prefix, version := query.Get("key_prefix"), query.Get("version")
	if version == "" {
		version = "1"
	}
	if _, err := strconv.Atoi(version); err != nil {
		return "", errors.New("version must be a number")
	}
	query.Del("key_prefix")
	query.Del("version")
	u.RawQuery = query.Encode()
	return prefix + ":" + version + ":" + engine, nil
}

// connect makes the client. It does not try again by itself: a change whose
// answer was lost may have taken place.
func connect(u *url.URL) (*redis.Client, error) {
	if u.Query().Has("master_name") {
		o, err := redis.ParseFailoverURL(u.String())
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled, o.MaxRetries, o.DisableIdentity = true, -1, true
		return redis.NewFailoverClient(o), nil
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.DisableIdentity = true, -1, true
	return redis.NewClient(o), nil
}

// unavailable marks what went wrong between us and Redis.
func unavailable(err error) error {
	if strings.Contains(err.Error(), "OOM command not allowed") {
		return fmt.Errorf("%w: Redis has used all of maxmemory; raise it, or make room: %w", session.ErrFull, err)
	}
	return fmt.Errorf("%w: Redis: %w", session.ErrUnavailable, err)
}

func (s *Store) name(key string) string { return s.prefix + key }

// pattern matches the names of all sessions.
func (s *Store) pattern() string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s.prefix) + "*"
}

// Ping implements session.Store.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := s.client.Ping(ctx).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements session.Store.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}
