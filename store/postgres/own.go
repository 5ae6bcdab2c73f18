package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"cloakroom/session"
	"cloakroom/store/userindex"
)

// own is Cloakroom's own schema beside Django's table, in the same PostgreSQL schema, for which S
// is a placeholder.
//
// cloakroom_session_index has a row for each row of django_session, which triggers add and remove.
// state is 0 until the session was read for its user (not by a trigger: SQL cannot read Django's
// encoding), 1 afterwards, and 2 if it could not be read. A session without a user is read again
// after each write, which writes counts: Django's login inserts the row first, and writes the user
// into it at the end of the request.
//
// The triggers' functions run with their owner's privileges: Django needs none on these tables.
//
// cloakroom_note holds session.Notes; its column expires is in Unix milliseconds.
var own = []struct{ kind, name, sql string }{
	{"class", "cloakroom_feed", `CREATE TABLE S.cloakroom_feed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, at timestamp with time zone NOT NULL DEFAULT now())`},
	{"class", "cloakroom_note", `CREATE TABLE S.cloakroom_note (key varchar(96) NOT NULL PRIMARY KEY, number bigint NOT NULL, text text NOT NULL, expires bigint NOT NULL)`},
	{"class", "cloakroom_note_expires", `CREATE INDEX cloakroom_note_expires ON S.cloakroom_note (expires)`},
	{"class", "cloakroom_session_index", `CREATE TABLE S.cloakroom_session_index (session_key varchar(40) NOT NULL PRIMARY KEY, user_id text NOT NULL DEFAULT '', state smallint NOT NULL DEFAULT 0, writes bigint NOT NULL DEFAULT 0)`},
	{"class", "cloakroom_session_index_user", `CREATE INDEX cloakroom_session_index_user ON S.cloakroom_session_index (user_id) WHERE user_id <> ''`},
	{"class", "cloakroom_session_index_pending", `CREATE INDEX cloakroom_session_index_pending ON S.cloakroom_session_index (session_key) WHERE state = 0`},
	{"class", "cloakroom_session_index_opaque", `CREATE INDEX cloakroom_session_index_opaque ON S.cloakroom_session_index (session_key) WHERE state = 2`},
	{"function", "cloakroom_session_changed", `CREATE FUNCTION S.cloakroom_session_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM S.cloakroom_session_index;
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND OLD.session_key = NEW.session_key THEN
		UPDATE S.cloakroom_session_index SET state = 0, writes = writes + 1 WHERE session_key = NEW.session_key AND user_id = '';
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		DELETE FROM S.cloakroom_session_index WHERE session_key = OLD.session_key;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO S.cloakroom_session_index (session_key) VALUES (NEW.session_key)
			ON CONFLICT (session_key) DO UPDATE SET user_id = '', state = 0, writes = cloakroom_session_index.writes + 1;
	END IF;
	RETURN NULL;
END $$`},
	{"trigger", "cloakroom_session_changed", `CREATE TRIGGER cloakroom_session_changed AFTER INSERT OR DELETE OR UPDATE OF session_key, session_data ON S.django_session FOR EACH ROW EXECUTE FUNCTION S.cloakroom_session_changed()`},
	{"trigger", "cloakroom_session_truncated", `CREATE TRIGGER cloakroom_session_truncated AFTER TRUNCATE ON S.django_session FOR EACH STATEMENT EXECUTE FUNCTION S.cloakroom_session_changed()`},
}

// there are the queries, by kind, for whether an object of own exists, by name and schema.
var there = map[string]string{
	"class":    "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)",
	"function": "SELECT EXISTS (SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname = $2)",
	"trigger":  "SELECT EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'django_session' AND t.tgname = $2)",
}

// fill adds the sessions that existed before the triggers, after a given key, and returns the last
// key. It adds a batch at a time, so that other writes run in between.
const fill = `WITH batch AS (SELECT session_key FROM django_session WHERE session_key > $1 ORDER BY session_key LIMIT $2),
	added AS (INSERT INTO cloakroom_session_index (session_key) SELECT session_key FROM batch ON CONFLICT DO NOTHING)
	SELECT count(*), coalesce(max(session_key), '') FROM batch`

// analyze updates the planner's statistics after fill: without it, each batch sorts all that is
// pending.
const analyze = "ANALYZE cloakroom_session_index"

// fillBatch is how many rows fill adds at a time.
const fillBatch = 10_000

// filled is the key of the note that fill is done.
const filled = "schema.filled"

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// missing returns the statements that create the objects of own that do not exist.
func missing(ctx context.Context, q querier) (statements []string, err error) {
	var schema string
	const where = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('django_session')"
	if err := q.QueryRow(ctx, where).Scan(&schema); errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoTable(ctx, q)
	} else if err != nil {
		return nil, unavailable(err)
	}
	name := pgx.Identifier{schema}.Sanitize()
	for _, o := range own {
		var is bool
		if err := q.QueryRow(ctx, there[o.kind], schema, o.name).Scan(&is); err != nil {
			return nil, unavailable(err)
		}
		if !is {
			statements = append(statements, strings.ReplaceAll(o.sql, "S.", name+"."))
		}
	}
	var old bool
	if err := q.QueryRow(ctx, there["class"], schema, "cloakroom_session_user").Scan(&old); err != nil {
		return nil, unavailable(err)
	}
	if old {
		statements = append(statements, "DROP TABLE "+name+".cloakroom_session_user")
	}
	return statements, nil
}

// Pending implements session.Migrator.
func (s *Store) Pending(ctx context.Context) (statements []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if statements, err = missing(ctx, s.pool); err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		notes, err := s.Notes(ctx, filled)
		if err != nil || notes[0].Number > 0 {
			return nil, err
		}
	}
	return append(statements, fill, analyze), nil
}

// Migrate implements session.Migrator. Concurrent calls are allowed.
func (s *Store) Migrate(ctx context.Context) error {
	pending, err := s.Pending(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	if err := s.makeTables(ctx, missing); err != nil {
		return err
	}
	for after := ""; ; {
		var n int
		bounded, cancel := context.WithTimeout(ctx, 10*Timeout)
		err := s.pool.QueryRow(bounded, fill, after, fillBatch).Scan(&n, &after)
		cancel()
		if err != nil {
			return unavailable(err)
		}
		if n < fillBatch {
			bounded, cancel := context.WithTimeout(ctx, 10*Timeout)
			defer cancel()
			if _, err := s.pool.Exec(bounded, analyze); err != nil {
				return unavailable(err)
			}
			return s.SetNote(ctx, filled, session.Note{Number: 1, Expires: session.Never})
		}
	}
}

var (
	_ session.UserIndexer = (*Store)(nil)
	_ session.Migrator    = (*Store)(nil)
)

// selectPending looks up no more sessions than it returns, whatever the planner expects of the
// index. A row without a session (deleted while triggers were off) has no user.
var selectPending = "SELECT i.writes, i.session_key, coalesce(s.data, ''), s.expire_date FROM " +
	"(SELECT session_key, writes FROM cloakroom_session_index WHERE state = 0 AND session_key > $1 ORDER BY session_key LIMIT $2) i " +
	"LEFT JOIN LATERAL (SELECT " + data + " AS data, expire_date FROM django_session WHERE session_key = i.session_key) s ON true ORDER BY i.session_key"

// updateIndexed skips rows that others have locked: they are being removed or indexed. Waiting for
// them could deadlock with a transaction that removes many.
const updateIndexed = `WITH read AS (SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[]) AS r (key, of, is_now, at)),
	mine AS (SELECT i.session_key FROM cloakroom_session_index i JOIN read ON read.key = i.session_key WHERE i.state = 0 AND i.writes = read.at FOR UPDATE OF i SKIP LOCKED)
	UPDATE cloakroom_session_index i SET user_id = read.of, state = read.is_now FROM read, mine WHERE i.session_key = mine.session_key AND read.key = mine.session_key`

const (
	selectKeys   = "SELECT session_key FROM cloakroom_session_index WHERE user_id = $1 AND user_id <> ''"
	selectOpaque = "SELECT session_key FROM cloakroom_session_index WHERE state = 2"
)

// IndexUsers implements session.UserIndexer. It reads and decodes outside of a transaction.
func (s *Store) IndexUsers(ctx context.Context, limit int) (int, error) {
	found, err := s.pending(ctx, "", limit)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	var keys, users []string
	var states []int16
	var writes []int64
	for _, u := range found {
		moved, err := session.MoveRevocation(ctx, s, u.Session)
		if err != nil {
			return 0, err
		}
		if !moved {
			keys, users, states, writes = append(keys, u.Session.Key), append(users, u.User), append(states, u.State), append(writes, u.Writes)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, updateIndexed, keys, users, states, writes); err != nil {
		return 0, unavailable(err)
	}
	return len(found), nil
}

func (s *Store) pending(ctx context.Context, after string, limit int) ([]userindex.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.pool.Query(ctx, selectPending, after, limit)
	if err != nil {
		return nil, unavailable(err)
	}
	found, err := pgx.CollectRows(result, func(c pgx.CollectableRow) (userindex.Entry, error) {
		var writes int64
		var r row
		if err := c.Scan(&writes, &r.key, &r.data, &r.expires); err != nil {
			return userindex.Entry{}, err
		}
		v, err := s.decode(r)
		e := userindex.EntryOf(writes, v, err)
		if !storable(e.User) {
			e.User = "" // no account in this database can have such an id
		}
		return e, nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// UserKeys implements session.UserIndex. It writes nothing.
func (s *Store) UserKeys(ctx context.Context, user string) (keys, opaque []string, err error) {
	if !storable(user) {
		return nil, nil, nil
	}
	return userindex.Index{
		Pending: s.pending,
		Indexed: func(ctx context.Context) ([]string, error) { return s.keys(ctx, selectKeys, user) },
		Opaque:  func(ctx context.Context) ([]string, error) { return s.keys(ctx, selectOpaque) },
	}.UserKeys(ctx, user)
}

func (s *Store) keys(ctx context.Context, query string, args ...any) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, unavailable(err)
	}
	keys, err := pgx.CollectRows(result, pgx.RowTo[string])
	if err != nil {
		return nil, unavailable(err)
	}
	return keys, nil
}
