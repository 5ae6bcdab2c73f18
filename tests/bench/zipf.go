package main

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"sync"
)

// population is how many sessions mixed traffic has; the most frequent one gets about a tenth of
// it.
const population = 100_000

// zipf returns a source of session keys as a site's visitors would send them: few of them often,
// most of them rarely.
func (b *bench) zipf(ctx context.Context) (func() string, error) {
	keys, err := b.sessions(ctx, population, sessionData)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	draw := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, population-1)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return keys[draw.Uint64()]
	}, nil
}

// sessions stores n sessions with this data: one through the store, the others as copies of it
// under their own keys.
func (b *bench) sessions(ctx context.Context, n int, data string) (keys []string, err error) {
	key, err := b.createSession(ctx, data)
	if err != nil || n <= 1 {
		return []string{key}, err
	}
	db, err := sql.Open("sqlite", "file:"+b.database()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `
		WITH RECURSIVE copies(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM copies WHERE n < ?)
		INSERT INTO django_session (session_key, session_data, expire_date)
		SELECT lower(hex(randomblob(16))), session_data, expire_date FROM copies, django_session WHERE session_key = ?
		RETURNING session_key`, n, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for keys = append(keys, key); rows.Next(); keys = append(keys, key) {
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
	}
	return keys, rows.Err()
}
