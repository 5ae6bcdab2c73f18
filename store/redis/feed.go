package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
)

// feedKept is about how many events the stream keeps.
const feedKept = 10_000

// Feed is a session.Feed in a stream of Redis, for any number of services on one server.
type Feed struct {
	store  *Store
	stream string
}

var _ session.Feed = (*Feed)(nil)

// Feed opens the server's feed. It adds an event, so that there always is one that a cursor can
// name.
func (s *Store) Feed(ctx context.Context) (session.Feed, error) {
	f := &Feed{s, "cloakroom.feed:" + s.prefix}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	n, err := s.client.XLen(ctx, f.stream).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	if n == 0 {
		err = f.Publish(ctx, session.EventAll)
	}
	return f, err
}

// Publish implements session.Feed.
func (f *Feed) Publish(ctx context.Context, events ...string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := f.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, event := range events {
			p.XAdd(ctx, &redis.XAddArgs{Stream: f.stream, MaxLen: feedKept, Approx: true, Values: []string{"event", event}})
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// start is a cursor before all events.
const start = "0-0"

// Read implements session.Feed.
func (f *Feed) Read(ctx context.Context, after string) (session.FeedPage, error) {
	page, err := f.check(context.WithoutCancel(ctx), after)
	if err != nil || page.Gap {
		return page, err
	}
	streams, err := f.await(ctx, after)
	if errors.Is(err, redis.Nil) {
		return page, nil
	}
	if err != nil {
		return page, unavailable(err)
	}
	for _, message := range streams[0].Messages {
		event, _ := message.Values["event"].(string)
		page.Events, page.Cursor = append(page.Events, event), message.ID
	}
	return page, nil
}

// await returns the entries after a cursor, and waits for one until ctx ends: redis.Nil means
// that none came. A context without a deadline is looked at each second.
func (f *Feed) await(ctx context.Context, after string) ([]redis.XStream, error) {
	deadline, bounded := ctx.Deadline()
	for {
		wait := time.Second
		switch {
		case ctx.Err() != nil:
			wait = time.Millisecond
		case bounded:
			wait = max(time.Until(deadline), time.Millisecond)
		}
		// The response to a BLOCK without events arrives when the wait is over.
		reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait+Timeout)
		streams, err := f.store.client.XRead(reading, &redis.XReadArgs{Streams: []string{f.stream, after}, Block: wait, Count: 1000}).Result()
		cancel()
		if !errors.Is(err, redis.Nil) || bounded || ctx.Err() != nil {
			return streams, err
		}
	}
}

// check reports a gap. A cursor is valid if its own event still exists: then all events after it
// do.
func (f *Feed) check(ctx context.Context, after string) (page session.FeedPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var same, last *redis.XMessageSliceCmd
	cursor := after
	if !isCursor(after) {
		cursor = start
	}
	_, err = f.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		same = p.XRange(ctx, f.stream, cursor, cursor)
		last = p.XRevRangeN(ctx, f.stream, "+", "-", 1)
		return nil
	})
	if err != nil {
		return page, unavailable(err)
	}
	page.Cursor = start
	if newest := last.Val(); len(newest) > 0 {
		page.Cursor = newest[0].ID
	}
	if len(same.Val()) > 0 {
		page.Cursor = after
		return page, nil
	}
	page.Gap = true
	return page, nil
}

// isCursor reports whether a text is the ID of a stream's entry: two numbers.
func isCursor(text string) bool {
	millis, seq, ok := strings.Cut(text, "-")
	_, err1 := strconv.ParseUint(millis, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return ok && err1 == nil && err2 == nil
}

// Close implements session.Feed.
func (f *Feed) Close() error { return nil }
