// Package postgres keeps sessions where Django's db engine keeps them in PostgreSQL: in the table
// django_session, in Django's encoding. Django may use the same table concurrently.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"cloakroom/session"
	"cloakroom/session/django"
)

// ErrURL is the error of a text that is no connection URL.
var ErrURL = errors.New("PostgreSQL URL")

// Options configures a Store.
type Options struct {
	// Codec reads and writes session_data. If nil, sessions can only be deleted and cleared.
	Codec *django.Codec
	// Create creates Django's table if there is none, and Cloakroom's own tables: for tests and
	// trials.
	Create bool
	// AccountsOnly opens a database without django_session: accounts can be in a separate
	// database.
	AccountsOnly bool
	// Zone is TIME_ZONE of a project with USE_TZ = False, else nil.
	Zone *time.Location
	// Now is the clock.
	Now func() time.Time
}

// Timeout bounds every operation whose context has no earlier deadline,
// waiting for a connection and for locks included.
const Timeout = 5 * time.Second

// DefaultConnections is the maximum number of connections of a store, unless the URL sets
// pool_max_conns.
const DefaultConnections = 16

// Store is a session.Store in PostgreSQL. Open makes one.
type Store struct {
	codec  *django.Codec
	now    func() time.Time
	pool   *pgxpool.Pool
	pooler pooler
}

var _ session.Store = (*Store)(nil)

// Open connects to the database that rawURL names, in libpq's form:
//
//	postgres://user:password@host1:5432,host2:5432/database?target_session_attrs=read-write&sslmode=verify-full
//
// Of several hosts it uses the first that responds and has the requested attributes, anew for each
// connection, so that it follows a failover. Besides libpq's parameters there are pgxpool's:
// pool_max_conns, pool_min_conns, pool_max_conn_lifetime, pool_max_conn_idle_time,
// pool_health_check_period. Others, such as search_path, are sent to the server. pgx's
// default_query_exec_mode is cache_statement, or cache_describe through a connection pooler such
// as PgBouncer.
//
// Errors wrap ErrURL or session.ErrUnavailable. They do not contain the password.
func Open(ctx context.Context, rawURL string, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if !hasParameter(rawURL, "pool_max_conns") {
		config.MaxConns = max(config.MinConns, DefaultConnections)
	}
	s := &Store{codec: o.Codec.In(o.Zone), now: o.Now}
	s.pooler.chosen = hasParameter(rawURL, "default_query_exec_mode")
	s.pooler.watch(config)
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := s.prepare(ctx, o); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// hasParameter parses only the query: net/url rejects an URL with several hosts.
func hasParameter(rawURL, name string) bool {
	_, query, _ := strings.Cut(rawURL, "?")
	values, err := url.ParseQuery(query)
	return err == nil && values.Has(name)
}

// unavailable wraps an error of PostgreSQL or of the connection.
func unavailable(err error) error {
	if own := strings.Contains(err.Error(), "cloakroom_"); own && isCode(err, undefinedTable) {
		err = fmt.Errorf("%w; Cloakroom's own tables are missing: run cloakroom migrate", err)
	} else if own && isCode(err, insufficientPrivilege) {
		err = fmt.Errorf("%w; GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom_feed, cloakroom_note, cloakroom_session_index to the role", err)
	}
	return fmt.Errorf("%w: PostgreSQL: %w", session.ErrUnavailable, hinted(err))
}

// write runs do in a transaction.
func (s *Store) write(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return unavailable(err)
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback(ctx)
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// storable reports whether the table can hold key. A query for a key that it cannot hold would
// fail, though the right result is that there is no session.
func storable(key string) bool {
	return utf8.ValidString(key) && !strings.Contains(key, "\x00")
}

// Ping implements session.Store. It reads from the table.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, "SELECT 1 FROM django_session LIMIT 1"); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements session.Store.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}
