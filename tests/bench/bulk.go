package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // the driver sqlite

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/django/pickle"
)

// row is a session in the form in which Django stores it.
type row struct {
	key, text string
	expires   time.Time
}

// rows returns a source of n sessions of n / sessionsPerUser users.
func rows(n int, encode func(data string) (string, error)) func() (row, error) {
	made, users := 0, max(1, n/sessionsPerUser)
	return func() (row, error) {
		key, err := session.NewKey(rand.Reader)
		if err != nil {
			return row{}, err
		}
		text, err := encode(userData(strconv.Itoa(1 + made%users)))
		made++
		if made%100_000 == 0 {
			fmt.Fprintf(os.Stderr, "\rstored %d of %d sessions   ", made, n)
		}
		return row{key, text, time.Now().Add(14 * 24 * time.Hour)}, err
	}
}

func userData(user string) string { return strings.Replace(sessionData, `"1"`, `"`+user+`"`, 1) }

// signed returns the encoder of Django's table.
func signed(secretKey string) (func(string) (string, error), error) {
	codec, err := django.NewCodec(secretKey)
	return func(data string) (string, error) { return codec.Encode([]byte(data), time.Now()) }, err
}

// bulkSQLite stores n sessions, in batches.
func bulkSQLite(ctx context.Context, file string, next func() (row, error), n int) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	defer db.Close()
	const size = 10_000
	for done := 0; done < n; done += size {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, ?)")
		if err != nil {
			return err
		}
		for range min(size, n-done) {
			r, err := next()
			if err != nil {
				return err
			}
			if _, err := insert.ExecContext(ctx, r.key, r.text, r.expires.UTC().Format("2006-01-02 15:04:05.000000")); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// bulkPostgres stores n sessions by COPY.
func bulkPostgres(ctx context.Context, url string, next func() (row, error), n int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	left := n
	columns := []string{"session_key", "session_data", "expire_date"}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"django_session"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if left == 0 {
			return nil, nil
		}
		left--
		r, err := next()
		return []any{r.key, r.text, r.expires}, err
	}))
	if err == nil {
		_, err = conn.Exec(ctx, "ANALYZE django_session") // as autovacuum does in time
	}
	return err
}

// bulkRedis stores n sessions as Django's RedisCache does.
func bulkRedis(ctx context.Context, address string, next func() (row, error), n int) error {
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	const size = 1000
	for done := 0; done < n; done += size {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range min(size, n-done) {
				r, err := next()
				if err != nil {
					return err
				}
				p.Set(ctx, ":1:django.contrib.sessions.cache"+r.key, r.text, time.Until(r.expires).Round(time.Second))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pickled encodes data as Django's cache does.
func pickled(data string) (string, error) { return pickle.Encode([]byte(data), nil) }
