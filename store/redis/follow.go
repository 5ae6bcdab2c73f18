package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
)

const (
	// leaseKept is how long a lease is valid after its last renewal.
	leaseKept = 10 * time.Second
	// renewEvery is the interval at which the lease is renewed, and at which others try to acquire
	// it.
	renewEvery = time.Second
	// proofWithin is how long a fence that this process writes may take to arrive.
	proofWithin = 10 * time.Second
	// scanned is about how many sessions are read at a time when all are read. The server blocks
	// during each batch.
	scanned = 25
	// scanRest is the pause after a batch when all sessions are read, in multiples of its
	// duration, so that other clients have priority.
	scanRest = 3
	// drained is how many written sessions are indexed at a time.
	drained = 500
)

// invalidations is the channel of Redis for CLIENT TRACKING REDIRECT.
const invalidations = "__redis__:invalidate"

var _ session.UserFollower = (*Store)(nil)

// FollowUsers implements session.UserFollower. It has Redis send the names of all sessions that
// any client writes (CLIENT TRACKING in broadcasting mode, which needs no configuration of the
// server), and reads them. No write is missed while both connections last, the tracking one and
// the one that receives: the server closes one that reads too slowly.
func (s *Store) FollowUsers(ctx context.Context) (err error) {
	defer func() { s.followed(ctx, err) }()
	l := lease{epoch: rand.Text()}
	for {
		is, err := s.acquire(ctx, l)
		if err != nil {
			return unavailable(err)
		}
		if is {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(renewEvery):
		}
	}
	f := follower{store: s, lease: l}
	defer f.release(ctx)
	if err := f.run(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// acquire acquires the lease, and reports whether it could.
func (s *Store) acquire(ctx context.Context, l lease) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	is, err := s.client.SetNX(ctx, s.own("index"), l.String(), leaseKept).Result()
	if err != nil || is {
		s.building()
		return is, err
	}
	text, err := s.client.Get(ctx, s.own("index")).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	if holder, ok := parseLease(text); ok && holder.ready {
		s.notice.Store(nil)
	} else {
		s.building()
	}
	return false, nil
}

const scans = "what concerns all sessions of a user reads every session"

func (s *Store) building() {
	text := "the index of users is being built; until then " + scans
	s.notice.Store(&text)
}

// followed sets the notice why the index is not kept.
func (s *Store) followed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		s.notice.Store(nil)
		return
	}
	text := fmt.Sprintf("Redis: the index of users is not kept, and %s: %v", scans, err)
	var refused redis.Error
	if errors.As(err, &refused) {
		text += "; the user needs CLIENT, SUBSCRIBE to " + invalidations + ", INFO, SCAN, EVALSHA, SCRIPT LOAD, and the keys cloakroom.*"
	}
	s.notice.Store(&text)
}

// Notices implements session.Noticer, for processes that run FollowUsers.
func (s *Store) Notices() []string {
	if text := s.notice.Load(); text != nil {
		return []string{*text}
	}
	return nil
}

// follower indexes sessions for one epoch.
type follower struct {
	store *Store
	lease lease
	// conn is the connection with tracking. All commands that the index depends on use it, so that
	// they fail when it ends.
	conn  *redis.Conn
	proof time.Time // when the fence was written that has not arrived yet
}

// run follows until ctx ends or an error occurs.
func (f *follower) run(ctx context.Context) error {
	client, sent := f.store.tracked()
	defer client.Close()
	subscription := client.Subscribe(ctx, invalidations)
	defer subscription.Close()
	if _, err := subscription.Receive(ctx); err != nil { // wait for the subscription
		return err
	}
	f.conn = client.Conn()
	defer f.conn.Close()
	if err := f.track(ctx, *sent); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	written, failed := make(chan []string), make(chan error, 1)
	go func() { failed <- receive(ctx, subscription, written) }()
	return f.follow(ctx, written, failed)
}

// tracked returns a client of its own, and a pointer to the ID of its first connection, which
// receives the invalidations. It uses the older protocol (RESP2), in which that is a subscription.
func (s *Store) tracked() (*redis.Client, *int64) {
	o, first := *s.client.Options(), new(int64)
	o.Protocol = 2
	o.OnConnect = func(ctx context.Context, c *redis.Conn) (err error) {
		if *first == 0 {
			*first, err = c.ClientID(ctx).Result()
		}
		return err
	}
	return redis.NewClient(&o), first
}

// track enables tracking of writes, including those of fences.
func (f *follower) track(ctx context.Context, to int64) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s := f.store
	err := f.conn.Process(ctx, redis.NewStatusCmd(ctx, "CLIENT", "TRACKING", "ON", "REDIRECT", to, "BCAST", "PREFIX", s.prefix, "PREFIX", s.own("fence")+":"))
	if err != nil {
		return err
	}
	if err := indexScript.Load(ctx, f.conn).Err(); err != nil {
		return err
	}
	f.lease.stats, err = f.stats(ctx)
	return err
}

func (f *follower) stats(ctx context.Context) (stats, error) {
	info, err := f.conn.Info(ctx, "stats").Result()
	if err != nil {
		return stats{}, err
	}
	return parseStats(info)
}

// receive forwards what Redis sends, until an error occurs. A flush of all keys is an error, too.
func receive(ctx context.Context, subscription *redis.PubSub, written chan<- []string) error {
	for {
		message, err := subscription.Receive(ctx)
		if err != nil {
			return err
		}
		m, ok := message.(*redis.Message)
		if !ok {
			return fmt.Errorf("%T instead of a message", message)
		}
		select {
		case written <- m.PayloadSlice:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow indexes all sessions, and those that are written from then on.
func (f *follower) follow(ctx context.Context, written <-chan []string, failed <-chan error) error {
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	scan := time.NewTimer(0)
	defer scan.Stop()
	if err := f.renew(ctx); err != nil {
		return err
	}
	for cursor := uint64(0); ; {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-failed:
		case names := <-written:
			err = f.written(ctx, drain(names, written))
		case <-renew.C:
			err = f.renew(ctx)
		case <-scan.C:
			start := time.Now()
			if cursor, err = f.scan(ctx, cursor); err == nil && cursor != 0 {
				scan.Reset(scanRest * time.Since(start))
			} else if err == nil {
				f.lease.ready = true
				err = f.renew(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// drain adds the names that have arrived by now.
func drain(names []string, written <-chan []string) []string {
	for len(names) < drained {
		select {
		case more := <-written:
			names = append(names, more...)
		default:
			return names
		}
	}
	return names
}

// renew renews the lease, and checks that writes arrive.
func (f *follower) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s := f.store
	if !f.proof.IsZero() && time.Since(f.proof) > proofWithin {
		return fmt.Errorf("a fence that was written has not arrived within %s", proofWithin)
	}
	now, err := f.stats(ctx)
	switch {
	case err != nil:
		return err
	case !now.same(f.lease.stats):
		return errEvicted
	}
	f.lease.stats = now
	is, err := leaseScript.Run(ctx, f.conn, []string{s.own("index")}, f.lease.epoch, f.lease.String(), leaseKept.Milliseconds()).Int()
	switch {
	case err != nil:
		return err
	case is == 0:
		return errors.New("the lease was lost")
	}
	if f.lease.ready {
		s.notice.Store(nil)
	}
	if f.proof.IsZero() {
		f.proof = time.Now()
		return f.conn.Set(ctx, f.proofName(), "", fenceKept).Err()
	}
	return nil
}

// errEvicted reports that the server may have evicted parts of the index.
var errEvicted = errors.New("keys were evicted, or the statistics were reset: sessions are safe with maxmemory-policy noeviction alone")

func (f *follower) proofName() string { return f.store.own("fence") + ":" + f.lease.epoch }

// release releases the lease.
func (f *follower) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	_ = leaseScript.Run(ctx, f.store.client, []string{f.store.own("index")}, f.lease.epoch, "", 0).Err()
}

// scan indexes a batch of all sessions.
func (f *follower) scan(ctx context.Context, cursor uint64) (next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	names, next, err := f.conn.Scan(ctx, cursor, f.store.pattern(), scanned).Result()
	if err != nil {
		return 0, err
	}
	return next, f.index(ctx, names)
}

// written indexes sessions that were written, and responds to the fences among them: sessions that
// were written before a fence arrived before it, or with it.
func (f *follower) written(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	fences := f.store.own("fence") + ":"
	seen := map[string]bool{}
	var sessions, responses []string
	for _, name := range names {
		number, isFence := strings.CutPrefix(name, fences)
		switch {
		case seen[name]:
		case name == f.proofName():
			f.proof = time.Time{}
		case isFence:
			responses = append(responses, f.store.own("ack")+":"+number)
		case strings.HasPrefix(name, f.store.prefix):
			sessions = append(sessions, name)
		}
		seen[name] = true
	}
	for ; len(sessions) > 0; sessions = sessions[min(batch, len(sessions)):] {
		if err := f.index(ctx, sessions[:min(batch, len(sessions))]); err != nil {
			return err
		}
	}
	if len(responses) == 0 || !f.lease.ready {
		return nil
	}
	_, err := f.conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range responses {
			p.LPush(ctx, name, f.lease.epoch)
			p.PExpire(ctx, name, fenceKept)
		}
		return nil
	})
	return err
}
