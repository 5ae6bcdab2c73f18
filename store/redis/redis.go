// Package redis keeps sessions where Django's cache engine keeps them with Django's own Redis
// backend (django.core.cache.backends.redis.RedisCache), in Redis 6.2 or later or Valkey. Django
// may use the same keys concurrently.
//
// The data is pickled, as Django pickles it; see package pickle for what can be read. A session
// expires when Redis expires its key, to the millisecond, so that there is nothing to clear.
// Django itself writes whole seconds.
//
// Changes are compare-and-set: a write fails if the value has changed since it was read, and the
// change is repeated. The server must allow scripts (EVAL). Redis Cluster, which Django's backend
// cannot use either, is not supported: rotating a key is atomic on one server only. Sentinel is
// supported.
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

// ErrURL is the error of a text that is no URL of a Redis server.
var ErrURL = errors.New("URL of a Redis server")

// The prefixes of keys of Django's two engines, after KEY_PREFIX and VERSION (KEY_PREFIX in
// django.contrib.sessions.backends.cache and cached_db).
const (
	CacheEngine    = "django.contrib.sessions.cache"
	CachedDBEngine = "django.contrib.sessions.cached_db"
)

// Timeout bounds every operation whose context has no earlier deadline.
const Timeout = 5 * time.Second

// Options configures a Store.
type Options struct {
	// Engine is CacheEngine or CachedDBEngine; "" means CacheEngine.
	Engine string
	// Zone is TIME_ZONE of a project with USE_TZ = False, else nil.
	Zone *time.Location
	// Now is the clock. A session is dead if it has expired by this clock or by the server's.
	Now func() time.Time
}

// Store is a session.Store in Redis. Open makes one.
type Store struct {
	client *redis.Client
	prefix string
	zone   *time.Location
	now    func() time.Time
	notice atomic.Pointer[string] // of FollowUsers
}

var _ session.Store = (*Store)(nil)

// Open connects to the server that rawURL names:
//
//	redis://user:password@host:6379/0    rediss:// with TLS, unix://user:password@/socket?db=0
//	redis://…@sentinel:26379/0?master_name=NAME&addr=sentinel2:26379
//
// Besides go-redis's parameters (pool_size, dial_timeout, read_timeout, …) there are Django's
// key_prefix and version: KEY_PREFIX and VERSION of the cache that SESSION_CACHE_ALIAS names.
//
// Errors wrap ErrURL or session.ErrUnavailable. They do not contain the password.
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

// takePrefix removes Django's parameters from the URL and returns the prefix of keys
// (django.core.cache.backends.base.default_key_func).
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

// connect returns the client. It does not retry: a change whose response was lost may have taken
// place.
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

// unavailable wraps an error of Redis or of the connection.
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
