package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"cloakroom/session"
)

// index is a table of ours beside Django's: the user of each session. A session
// is read once for it; the user of a key does not change, since a login makes a
// new one (django.contrib.auth.login). Rows whose session has gone are removed
// as they are met.
var index = []string{
	`CREATE TABLE IF NOT EXISTS cloakroom_session_user (session_key varchar(40) NOT NULL PRIMARY KEY, user_id text NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS cloakroom_session_user_user_id ON cloakroom_session_user (user_id)`,
}

var selectUnindexed = "SELECT " + columns + " FROM django_session s WHERE NOT EXISTS " +
	"(SELECT 1 FROM cloakroom_session_user u WHERE u.session_key = s.session_key) LIMIT $1"

const (
	insertIndexed = "INSERT INTO cloakroom_session_user (session_key, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
	deleteOrphans = "DELETE FROM cloakroom_session_user WHERE session_key IN (SELECT u.session_key FROM cloakroom_session_user u " +
		"LEFT JOIN django_session s ON s.session_key = u.session_key WHERE s.session_key IS NULL LIMIT $1)"
	selectKeys = "SELECT u.session_key FROM cloakroom_session_user u JOIN django_session s ON s.session_key = u.session_key WHERE u.user_id = $1"
)

var _ session.UserIndex = (*Store)(nil)

// IndexUsers implements session.UserIndex. It needs the right to make a
// table the first time.
func (s *Store) IndexUsers(ctx context.Context, limit int) (n int, err error) {
	if err := s.prepareIndex(ctx); err != nil {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, deleteOrphans, limit); err != nil {
			return unavailable(err)
		}
		result, err := tx.Query(ctx, selectUnindexed, limit)
		if err != nil {
			return unavailable(err)
		}
		rows, err := pgx.CollectRows(result, func(c pgx.CollectableRow) (r row, err error) {
			err = r.scan(c.Scan)
			return r, err
		})
		if err != nil {
			return unavailable(err)
		}
		n = len(rows)
		var inserts pgx.Batch
		for _, r := range rows {
			v, _ := s.decode(r) // what cannot be read is nobody's
			inserts.Queue(insertIndexed, r.key, session.UserOf(v.Data))
		}
		if err := tx.SendBatch(ctx, &inserts).Close(); err != nil {
			return unavailable(err)
		}
		return nil
	})
	return n, err
}

// prepareIndex makes the table if there is none.
func (s *Store) prepareIndex(ctx context.Context) error {
	var there bool
	if err := s.pool.QueryRow(ctx, "SELECT to_regclass('cloakroom_session_user') IS NOT NULL").Scan(&there); err != nil {
		return unavailable(err)
	}
	if there {
		return nil
	}
	return s.makeTables(ctx, index)
}

// UserKeys implements session.UserIndex.
func (s *Store) UserKeys(ctx context.Context, user string) ([]string, error) {
	if !storable(user) {
		return nil, nil
	}
	for n := indexBatch; n == indexBatch; {
		var err error
		if n, err = s.IndexUsers(ctx, indexBatch); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.pool.Query(ctx, selectKeys, user)
	if err != nil {
		return nil, unavailable(err)
	}
	keys, err := pgx.CollectRows(result, pgx.RowTo[string])
	if err != nil {
		return nil, unavailable(err)
	}
	return keys, nil
}

// indexBatch is how many sessions UserKeys reads in one transaction.
const indexBatch = 1000
