package postgres

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"cloakroom/session"
)

// The feed is the table cloakroom_feed, in the order in which events were published: they are
// inserted under a lock that is held until the commit, so that no number becomes visible before a
// smaller one.
const (
	feedLock   = 0x636c6f616b666565 // for pg_advisory_xact_lock
	feedKept   = "10 minutes"
	insertFeed = "INSERT INTO cloakroom_feed (event) SELECT unnest($1::text[])"
	// pruneFeed keeps the newest event, whose number is needed to check cursors.
	pruneFeed  = "DELETE FROM cloakroom_feed WHERE at < now() - interval '" + feedKept + "' AND id < (SELECT max(id) FROM cloakroom_feed)"
	selectFeed = "SELECT id, event FROM cloakroom_feed WHERE id > $1 ORDER BY id LIMIT $2"
	selectEnds = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM cloakroom_feed"
)

// pageSize bounds how many events one Read returns.
const pageSize = 1000

// Feed is a session.Feed in PostgreSQL, for any number of services on one database: a table, and
// notifications to wake waiting Reads. While notifications are unavailable or not proven to
// arrive, the table is polled; see listen.go.
type Feed struct {
	store  *Store
	cancel context.CancelFunc
	ended  chan struct{}

	notified atomic.Bool  // notifications are proven to arrive
	waiting  atomic.Int64 // Reads that wait

	mu   sync.Mutex
	wake chan struct{}
}

var _ session.Feed = (*Feed)(nil)

// Feed opens the database's feed. It must be closed before the Store.
func (s *Store) Feed(ctx context.Context) (session.Feed, error) {
	if _, err := s.pool.Exec(ctx, "SELECT 1 FROM cloakroom_feed LIMIT 1"); err != nil {
		return nil, unavailable(err)
	}
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &Feed{store: s, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{})}
	go f.follow(following)
	return f, nil
}

func (f *Feed) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.wake)
	f.wake = make(chan struct{})
}

func (f *Feed) waking() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wake
}

// Publish implements session.Feed.
func (f *Feed) Publish(ctx context.Context, events ...string) error {
	return f.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue("SELECT pg_advisory_xact_lock($1)", int64(feedLock))
		batch.Queue(pruneFeed)
		batch.Queue(insertFeed, events)
		batch.Queue("NOTIFY cloakroom_feed")
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return unavailable(err)
		}
		return nil
	})
}

// Read implements session.Feed.
func (f *Feed) Read(ctx context.Context, after string) (session.FeedPage, error) {
	for {
		wake := f.waking() // before the query, so that no event is missed
		page, err := f.page(context.WithoutCancel(ctx), after)
		if err != nil || page.Gap || len(page.Events) > 0 {
			return page, err
		}
		if !f.wait(ctx, wake) {
			return page, nil
		}
	}
}

// wait waits for wake, and reports whether it was closed before ctx ended.
func (f *Feed) wait(ctx context.Context, wake <-chan struct{}) bool {
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	select {
	case <-ctx.Done():
		return false
	case <-wake:
		return true
	}
}

func (f *Feed) page(ctx context.Context, after string) (page session.FeedPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	tx, err := f.store.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return page, unavailable(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	var first, last int64
	if err := tx.QueryRow(ctx, selectEnds).Scan(&first, &last); err != nil {
		return page, unavailable(err)
	}
	at, err := strconv.ParseInt(after, 10, 64)
	if err != nil || at > last || at < first-1 {
		return session.FeedPage{Cursor: strconv.FormatInt(last, 10), Gap: true}, nil
	}
	page.Cursor = after
	if at == last {
		return page, nil
	}
	rows, err := tx.Query(ctx, selectFeed, at, pageSize)
	if err != nil {
		return page, unavailable(err)
	}
	var id int64
	var event string
	if _, err := pgx.ForEachRow(rows, []any{&id, &event}, func() error {
		page.Events, page.Cursor = append(page.Events, event), strconv.FormatInt(id, 10)
		return nil
	}); err != nil {
		return page, unavailable(err)
	}
	return page, nil
}

// Close implements session.Feed.
func (f *Feed) Close() error {
	f.cancel()
	<-f.ended
	return nil
}
