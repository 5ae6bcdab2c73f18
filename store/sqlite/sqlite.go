// Package sqlite keeps sessions where Django's db engine keeps them in SQLite: in the table
// django_session, in Django's encoding. Django may use the same file concurrently.
//
// The table holds times without their zone: UTC, or Options.Zone.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"cloakroom/session"
	"cloakroom/session/django"
)

// Options configures a Store.
type Options struct {
	// Codec reads and writes session_data. If nil, sessions can only be deleted and cleared.
	Codec *django.Codec
	// Create creates the file, readable by its owner only, Django's table if there is none, and
	// Cloakroom's own tables: for tests and trials.
	Create bool
	// ReadOnly opens the file for reading: writes fail.
	ReadOnly bool
	// AccountsOnly opens a database without django_session: accounts can be in a separate
	// database.
	AccountsOnly bool
	// Zone is TIME_ZONE of a project with USE_TZ = False, else nil: UTC.
	Zone *time.Location
	// Now is the clock.
	Now func() time.Time
}

// Timeout bounds every operation whose context has no earlier deadline,
// waiting for locks included.
const Timeout = 5 * time.Second

// readers bounds how many reads run concurrently.
const readers = 8

// Store is a session.Store in an SQLite file. Open makes one.
type Store struct {
	codec *django.Codec
	zone  *time.Location
	now   func() time.Time
	// writer has one connection: writers of this process queue for it, and only those of other
	// processes wait for SQLite's lock.
	writer *sql.DB
	reader *sql.DB

	liveMu sync.Mutex
	live   *sql.Stmt
}

var _ session.Store = (*Store)(nil)

// Open opens a file. Its errors wrap session.ErrUnavailable.
func Open(ctx context.Context, file string, o Options) (*Store, error) {
	s := &Store{codec: o.Codec.In(o.Zone), zone: o.Zone, now: o.Now}
	if err := s.open(ctx, file, o); err != nil {
		return nil, fmt.Errorf("SQLite file %s: %w; it must be the database of a Django project%s", file, err, map[bool]string{false: ", in a folder that can be written to"}[o.ReadOnly])
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, file string, o Options) (err error) {
	if o.Create {
		if err := create(file); err != nil {
			return unavailable(err)
		}
	}
	mode := "rw"
	if o.ReadOnly {
		mode = "ro"
	}
	name := "file:" + (&url.URL{Path: file}).EscapedPath()
	name += fmt.Sprintf("?mode=%s&_pragma=busy_timeout(%d)", mode, 2*Timeout.Milliseconds())
	if s.writer, err = sql.Open("sqlite", name+"&_txlock=immediate"); err != nil {
		return unavailable(err)
	}
	if s.reader, err = sql.Open("sqlite", name+"&_query_only=true"); err != nil {
		s.writer.Close()
		return unavailable(err)
	}
	s.writer.SetMaxOpenConns(1)
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := s.prepare(ctx, o); err != nil {
		s.Close()
		return err
	}
	return nil
}

// create creates an empty file, which is an empty database, if there is none.
func create(file string) error {
	f, err := os.OpenFile(file, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// unavailable wraps an error of SQLite.
func unavailable(err error) error {
	return fmt.Errorf("%w: sqlite: %w", session.ErrUnavailable, err)
}

// write runs do in a transaction that holds the write lock from its beginning, so that nothing it
// reads can change before it writes.
func (s *Store) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(err)
	}
	if err := do(ctx, tx); err != nil {
		tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return unavailable(err)
	}
	return nil
}

// exec runs one statement and returns the number of affected rows.
func exec(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, unavailable(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, unavailable(err)
	}
	return int(n), nil
}

// Ping implements session.Store. It reads from the table.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var n int
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM django_session LIMIT 1)").Scan(&n); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements session.Store.
func (s *Store) Close() error { return errors.Join(s.reader.Close(), s.writer.Close()) }
