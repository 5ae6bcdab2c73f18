package sqlite

import (
	"context"
	"database/sql"

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
	"(SELECT 1 FROM cloakroom_session_user u WHERE u.session_key = s.session_key) LIMIT ?"

const (
	insertIndexed = "INSERT INTO cloakroom_session_user (session_key, user_id) VALUES (?, ?)"
	deleteOrphans = "DELETE FROM cloakroom_session_user WHERE session_key IN (SELECT u.session_key FROM cloakroom_session_user u " +
		"LEFT JOIN django_session s ON s.session_key = u.session_key WHERE s.session_key IS NULL LIMIT ?)"
	selectKeys = "SELECT u.session_key FROM cloakroom_session_user u JOIN django_session s ON s.session_key = u.session_key WHERE u.user_id = ?"
)

var _ session.UserIndex = (*Store)(nil)

// IndexUsers implements session.UserIndex.
func (s *Store) IndexUsers(ctx context.Context, limit int) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range index {
			if _, err := exec(ctx, tx, statement); err != nil {
				return err
			}
		}
		if _, err := exec(ctx, tx, deleteOrphans, limit); err != nil {
			return err
		}
		rows, err := collect(tx.QueryContext(ctx, selectUnindexed, limit))
		if err != nil {
			return err
		}
		n = len(rows)
		for _, r := range rows {
			v, _ := s.decode(r) // what cannot be read is nobody's
			if _, err := exec(ctx, tx, insertIndexed, r.key, session.UserOf(v.Data)); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// UserKeys implements session.UserIndex.
func (s *Store) UserKeys(ctx context.Context, user string) ([]string, error) {
	for n := indexBatch; n == indexBatch; {
		var err error
		if n, err = s.IndexUsers(ctx, indexBatch); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	result, err := s.reader.QueryContext(ctx, selectKeys, user)
	if err != nil {
		return nil, unavailable(err)
	}
	defer result.Close()
	var keys []string
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

// indexBatch is how many sessions UserKeys reads in one transaction.
const indexBatch = 1000
