package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Notifications are lost without an error if a pooler hands each transaction to another server
// connection, or if a connection is dead and its end did not arrive. So they are relied on only as
// long as notifications that this process sends on another connection arrive.
const (
	// proveEvery is the interval between such notifications.
	proveEvery = 10 * time.Second
	// proveWithin is how long one may take.
	proveWithin = 2 * time.Second
	// pollEvery is the interval of polling the table without notifications, while a Read waits.
	pollEvery = 100 * time.Millisecond
	// retryListening is the pause before connecting again after a lost connection.
	retryListening = 200 * time.Millisecond
	// retryPooled is that pause if a pooler loses notifications.
	retryPooled = 30 * time.Second
)

var (
	errPooled = errors.New("a pooler assigns the server connection to other clients between transactions")
	errLost   = errors.New("notifications do not arrive")
)

// Notices returns what works in a degraded way, and what to do about it.
func (f *Feed) Notices() []string {
	if f.notified.Load() {
		return nil
	}
	return []string{"PostgreSQL's notifications do not arrive, as through PgBouncer with pool_mode = transaction, or do not yet: " +
		"the feed polls its table every " + pollEvery.String() + " instead"}
}

// follow wakes Reads, by notifications and by polling.
func (f *Feed) follow(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { f.listen(ctx) })
	both.Go(func() { f.poll(ctx) })
	both.Wait()
	close(f.ended)
}

func (f *Feed) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.listenOnce(ctx) // it only returns after a failure: events may have been missed
		f.notified.Store(false)
		f.wakeAll()
		retry := retryListening
		if errors.Is(err, errPooled) {
			retry = retryPooled
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func (f *Feed) listenOnce(ctx context.Context) error {
	conn, err := f.store.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	raw := conn.Hijack() // it listens; the pool must not reuse it
	defer raw.Close(context.WithoutCancel(ctx))
	if err := f.unshared(ctx, raw); err != nil {
		return err
	}
	if _, err := raw.Exec(ctx, "LISTEN cloakroom_feed"); err != nil {
		return err
	}
	for {
		if err := f.prove(ctx, raw); errors.Is(err, errLost) && f.store.pooler.met.Load() {
			return errPooled
		} else if err != nil {
			return err
		}
		f.notified.Store(true)
		f.wakeAll() // for events before LISTEN
		if err := f.notifications(ctx, raw, time.Now().Add(proveEvery), ""); err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
}

// unshared returns errPooled if the server connection is certainly used by other clients between a
// connection's transactions. LISTEN would then take effect for another client, so it is not sent.
func (f *Feed) unshared(ctx context.Context, raw *pgx.Conn) error {
	pid, err := backend(ctx, raw)
	if err != nil || pid == raw.PgConn().PID() {
		return err
	}
	others, err := backend(ctx, f.store.pool)
	if err == nil && others == pid {
		err = errPooled
	}
	return err
}

// prove sends a notification on another connection, and waits for it.
func (f *Feed) prove(ctx context.Context, raw *pgx.Conn) error {
	proof := rand.Text()
	if _, err := f.store.pool.Exec(ctx, "SELECT pg_notify('cloakroom_feed', $1)", proof); err != nil {
		return err
	}
	return f.notifications(ctx, raw, time.Now().Add(proveWithin), proof)
}

// notifications wakes Reads for each notification until the proof arrives. It fails with errLost
// if that does not happen by a time.
func (f *Feed) notifications(ctx context.Context, raw *pgx.Conn, by time.Time, proof string) error {
	bounded, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	for {
		n, err := raw.WaitForNotification(bounded)
		switch {
		case err != nil && bounded.Err() != nil && ctx.Err() == nil && !raw.IsClosed():
			return errLost
		case err != nil:
			return err
		case n.Payload == "":
			f.wakeAll()
		case n.Payload == proof:
			return nil
		}
	}
}

// poll looks for events while notifications are not proven to arrive.
func (f *Feed) poll(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if f.notified.Load() || f.waiting.Load() == 0 {
			continue
		}
		newest, err := f.newest(ctx)
		if err != nil || newest != last {
			f.wakeAll() // after an error Reads query themselves
		}
		last = newest
	}
}

func (f *Feed) newest(ctx context.Context) (id int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	err = f.store.pool.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM cloakroom_feed").Scan(&id)
	return id, err
}
