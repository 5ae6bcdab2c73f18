package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"cloakroom/session"
	"cloakroom/store/userindex"
)

// own is Cloakroom's own schema beside Django's table, by the names in sqlite_schema.
//
// cloakroom_session_index has a row for each row of django_session, which triggers add and remove.
// state is 0 until the session was read for its user (not by a trigger: SQL cannot read Django's
// encoding), 1 afterwards, and 2 if it could not be read. A session without a user is read again
// after each write, which writes counts: Django's login inserts the row first, and writes the user
// into it at the end of the request.
//
// cloakroom_note holds session.Notes; its column expires is in Unix milliseconds.
var own = []struct{ kind, name, sql string }{
	{"table", "cloakroom_note", `CREATE TABLE cloakroom_note (key varchar(96) NOT NULL PRIMARY KEY, number bigint NOT NULL, text text NOT NULL, expires bigint NOT NULL)`},
	{"index", "cloakroom_note_expires", `CREATE INDEX cloakroom_note_expires ON cloakroom_note (expires)`},
	{"table", "cloakroom_session_index", `CREATE TABLE cloakroom_session_index (session_key varchar(40) NOT NULL PRIMARY KEY, user_id text NOT NULL DEFAULT '', state smallint NOT NULL DEFAULT 0, writes integer NOT NULL DEFAULT 0)`},
	{"index", "cloakroom_session_index_user", `CREATE INDEX cloakroom_session_index_user ON cloakroom_session_index (user_id) WHERE user_id <> ''`},
	{"index", "cloakroom_session_index_pending", `CREATE INDEX cloakroom_session_index_pending ON cloakroom_session_index (session_key) WHERE state = 0`},
	{"index", "cloakroom_session_index_opaque", `CREATE INDEX cloakroom_session_index_opaque ON cloakroom_session_index (session_key) WHERE state = 2`},
	{"trigger", "cloakroom_session_insert", `CREATE TRIGGER cloakroom_session_insert AFTER INSERT ON django_session BEGIN INSERT OR REPLACE INTO cloakroom_session_index (session_key) VALUES (NEW.session_key); END`},
	{"trigger", "cloakroom_session_delete", `CREATE TRIGGER cloakroom_session_delete AFTER DELETE ON django_session BEGIN DELETE FROM cloakroom_session_index WHERE session_key = OLD.session_key; END`},
	{"trigger", "cloakroom_session_move", `CREATE TRIGGER cloakroom_session_move AFTER UPDATE OF session_key ON django_session WHEN OLD.session_key <> NEW.session_key BEGIN DELETE FROM cloakroom_session_index WHERE session_key = OLD.session_key; INSERT OR REPLACE INTO cloakroom_session_index (session_key) VALUES (NEW.session_key); END`},
	{"trigger", "cloakroom_session_write", `CREATE TRIGGER cloakroom_session_write AFTER UPDATE OF session_data ON django_session BEGIN UPDATE cloakroom_session_index SET state = 0, writes = writes + 1 WHERE session_key = NEW.session_key AND user_id = ''; END`},
}

// fill adds the sessions that existed before the triggers, after a given key, and returns the last
// key. It adds a batch at a time, so that other writes run in between.
const fill = "INSERT INTO cloakroom_session_index (session_key) SELECT session_key FROM django_session WHERE session_key > ?1 ORDER BY session_key LIMIT ?2 ON CONFLICT DO NOTHING"

// dropOld removes the index of earlier builds.
const dropOld = "DROP TABLE cloakroom_session_user"

// filled is the key of the note that fill is done.
const filled = "schema.filled"

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func exists(ctx context.Context, q querier, kind, name string) (bool, error) {
	var n int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = ? AND name = ?", kind, name).Scan(&n); err != nil {
		return false, unavailable(err)
	}
	return n > 0, nil
}

// missing returns the statements that create the objects of own that do not exist.
func missing(ctx context.Context, q querier) (statements []string, err error) {
	for _, o := range own {
		there, err := exists(ctx, q, o.kind, o.name)
		if err != nil {
			return nil, err
		}
		if !there {
			statements = append(statements, o.sql)
		}
	}
	old, err := exists(ctx, q, "table", "cloakroom_session_user")
	if old {
		statements = append(statements, dropOld)
	}
	return statements, err
}

// Pending implements session.Migrator.
func (s *Store) Pending(ctx context.Context) (statements []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if statements, err = missing(ctx, s.reader); err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		notes, err := s.Notes(ctx, filled)
		if err != nil || notes[0].Number > 0 {
			return nil, err
		}
	}
	return append(append([]string{walMode}, statements...), fill), nil
}

const walMode = "PRAGMA journal_mode = WAL"

// Migrate implements session.Migrator. Concurrent calls are allowed.
func (s *Store) Migrate(ctx context.Context) error {
	pending, err := s.Pending(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	// With a write-ahead log readers and the writer do not wait for each other. If it cannot be
	// enabled (another process is reading, a network file system), the store still works, but
	// slower.
	s.writer.ExecContext(ctx, walMode)
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		statements, err := missing(ctx, tx)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%w; the statement is %s", unavailable(err), statement)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for after := ""; ; {
		n := 0
		err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := exec(ctx, tx, fill, after, fillBatch); err != nil {
				return err
			}
			const last = "SELECT count(*), coalesce(max(session_key), '') FROM (SELECT session_key FROM django_session WHERE session_key > ? ORDER BY session_key LIMIT ?)"
			if err := tx.QueryRowContext(ctx, last, after, fillBatch).Scan(&n, &after); err != nil {
				return unavailable(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n < fillBatch {
			return s.SetNote(ctx, filled, session.Note{Number: 1, Expires: session.Never})
		}
	}
}

// fillBatch is how many rows fill adds while other writers wait.
const fillBatch = 5000

var (
	_ session.UserIndexer = (*Store)(nil)
	_ session.Migrator    = (*Store)(nil)
)

var selectPending = "SELECT i.writes, " + columnsOf("s.") + " FROM cloakroom_session_index i JOIN django_session s ON s.session_key = i.session_key " +
	"WHERE i.state = 0 AND i.session_key > ? ORDER BY i.session_key LIMIT ?"

const (
	updateIndexed = "UPDATE cloakroom_session_index SET user_id = ?, state = ? WHERE session_key = ? AND state = 0 AND writes = ?"
	selectKeys    = "SELECT session_key FROM cloakroom_session_index WHERE user_id = ? AND user_id <> ''"
	selectOpaque  = "SELECT session_key FROM cloakroom_session_index WHERE state = 2"
)

// IndexUsers implements session.UserIndexer. It reads and decodes outside of a transaction.
func (s *Store) IndexUsers(ctx context.Context, limit int) (n int, err error) {
	found, err := s.pending(ctx, "", limit)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	for _, u := range found {
		if _, err := session.MoveRevocation(ctx, s, u.Session); err != nil {
			return 0, err
		}
	}
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, u := range found {
			if _, err := exec(ctx, tx, updateIndexed, u.User, u.State, u.Session.Key, u.Writes); err != nil {
				return err
			}
		}
		return nil
	})
	return len(found), err
}

func (s *Store) pending(ctx context.Context, after string, limit int) (found []userindex.Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.reader.QueryContext(ctx, selectPending, after, limit)
	if err != nil {
		return nil, unavailable(err)
	}
	defer result.Close()
	for result.Next() {
		var writes int64
		var r row
		if err := result.Scan(&writes, &r.key, &r.data, &r.expires); err != nil {
			return nil, unavailable(err)
		}
		v, err := s.decode(r)
		found = append(found, userindex.EntryOf(writes, v, err))
	}
	if err := result.Err(); err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// UserKeys implements session.UserIndex. It writes nothing.
func (s *Store) UserKeys(ctx context.Context, user string) (keys, opaque []string, err error) {
	return userindex.Index{
		Pending: s.pending,
		Indexed: func(ctx context.Context) ([]string, error) { return s.keys(ctx, selectKeys, user) },
		Opaque:  func(ctx context.Context) ([]string, error) { return s.keys(ctx, selectOpaque) },
	}.UserKeys(ctx, user)
}

func (s *Store) keys(ctx context.Context, query string, args ...any) (keys []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, unavailable(err)
	}
	defer result.Close()
	for result.Next() {
		var key string
		if err := result.Scan(&key); err != nil {
			return nil, unavailable(err)
		}
		keys = append(keys, key)
	}
	if err := result.Err(); err != nil {
		return nil, unavailable(err)
	}
	return keys, nil
}
