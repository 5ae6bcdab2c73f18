// Package file keeps sessions where Django's file engine keeps them
// (django.contrib.sessions.backends.file): in one file for each, named by the cookie's name and
// the key, that holds the signed data. Django may use the same folder concurrently.
//
// As in Django, the expiry of a session follows from the modification time of its file and
// SESSION_COOKIE_AGE; a write sets the file's time accordingly. If the session has its own age
// (set_expiry with seconds), it counts from the file's time; Django does not expire such a session
// on the server at all.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

// DefaultPrefix is Django's default of SESSION_COOKIE_NAME, the prefix of files' names.
const DefaultPrefix = "sessionid"

// Options configures a Store.
type Options struct {
	// Codec reads and writes the files. If nil, sessions can only be deleted.
	Codec *django.Codec
	// Prefix is SESSION_COOKIE_NAME; "" means DefaultPrefix.
	Prefix string
	// Age is SESSION_COOKIE_AGE.
	Age time.Duration
	// Zone is TIME_ZONE of a project with USE_TZ = False, else nil.
	Zone *time.Location
	// Create creates the folder if there is none.
	Create bool
	// Now is the clock.
	Now func() time.Time
}

// Timeout bounds how long an operation whose context has no earlier deadline
// waits for others.
const Timeout = 5 * time.Second

// Store is a session.Store in a folder. Open makes one.
type Store struct {
	Options
	dir  string
	root *os.Root
	turn chan struct{} // holds one token while there is no writer

	closed atomic.Bool
}

var _ session.Store = (*Store)(nil)

// Open opens a folder. Its errors wrap session.ErrUnavailable.
func Open(dir string, o Options) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	o.Codec = o.Codec.In(o.Zone)
	if o.Create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, unavailable(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; the folder is %s, and must be there: SESSION_FILE_PATH", unavailable(err), dir)
	}
	s := &Store{Options: o, dir: dir, root: root, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// unavailable wraps an error of accessing the folder. Files' names contain keys, so the error does
// not contain them.
func unavailable(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = fmt.Errorf("%s: %w", path.Op, path.Err)
	case errors.As(err, &link):
		err = fmt.Errorf("%s: %w", link.Op, link.Err)
	}
	return fmt.Errorf("%w: session files: %w", session.ErrUnavailable, err)
}

// ready returns an error if the store is closed, or ctx has ended, which counts as an outage.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if s.closed.Load() {
		return unavailable(fs.ErrClosed)
	}
	return nil
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	if err := s.ready(ctx); err != nil {
		return session.Session{}, err
	}
	return s.live(key)
}

func (s *Store) live(key string) (session.Session, error) { return s.ifLive(s.read(key)) }

// ifLive returns the session and the error of a read, or ErrNotFound if the session is dead.
func (s *Store) ifLive(v session.Session, err error) (session.Session, error) {
	switch {
	case err != nil && v.Expires.IsZero():
		return session.Session{}, err
	case !v.Live(s.Now()):
		return session.Session{}, session.ErrNotFound
	case err != nil:
		return session.Session{}, err
	case session.LacksZone(v.Data):
		return session.Session{}, session.ErrNoZone
	}
	return v, nil
}

// read returns the session under key, live or dead. If the data cannot be read, it returns the
// session with its Key and Expires set and an error.
func (s *Store) read(key string) (session.Session, error) {
	return s.readUpTo(key, django.MaxText, s.Codec.Read)
}

func (s *Store) readUpTo(key string, limit int, read func(text string) ([]byte, *session.Origin, error)) (session.Session, error) {
	if !session.ValidKey(key) {
		return session.Session{}, session.ErrNotFound
	}
	f, err := s.root.Open(s.Prefix + key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return session.Session{}, session.ErrNotFound
	case err != nil:
		return session.Session{}, unavailable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return session.Session{}, unavailable(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return session.Session{}, unavailable(err)
	}
	v := session.Session{Key: key, Expires: s.end(nil, info.ModTime())}
	if len(text) > limit {
		return v, session.ErrTooLarge
	}
	data, origin, err := read(string(text))
	if err != nil {
		return v, err
	}
	return session.Session{Key: key, Data: data, Origin: origin, Expires: s.end(data, info.ModTime())}, nil
}

// end returns the expiry of a session whose file was written at a time
// (SessionStore._expiry_date).
func (s *Store) end(data []byte, written time.Time) time.Time {
	at, _ := session.Policy{Age: s.Age}.End(ownExpiry(data), written)
	return at.UTC().Truncate(time.Microsecond)
}

// written returns the time that a file must have for its session to expire at end. The expiry of a
// session that ends at a date is in its data.
func (s *Store) written(data []byte, end time.Time) time.Time {
	return end.Truncate(time.Microsecond).Add(-session.Policy{Age: s.Age}.Life(ownExpiry(data)))
}

// ownExpiry returns the expiry that a session's data sets, or the zero value if it cannot be read.
// A date in an unknown zone counts as the latest possible, so that no such session is cleared.
func ownExpiry(data []byte) session.Expiry {
	own, err := session.LatestExpiry(data)
	if err != nil {
		return session.Expiry{}
	}
	return own
}

// Ping implements session.Store.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if _, err := s.root.Stat("."); err != nil {
		return unavailable(err)
	}
	// The name may refer to another folder now than the open one.
	if _, err := os.Stat(s.dir); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements session.Store.
func (s *Store) Close() error {
	s.closed.Store(true)
	return s.root.Close()
}

// keyOf returns the key in a file's name.
func (s *Store) keyOf(name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, s.Prefix)
	return key, ok && session.ValidKey(key)
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }
