package main

import (
	"context"
	"time"

	"cloakroom/session"
	"cloakroom/store/feed"
)

// feedModel is the feed that the replicas share, as those of PostgreSQL and Redis: events
// are there for all when Publish returns; who waits for one is woken a moment later.
type feedModel struct {
	w       *world
	events  *feed.Memory
	waiting []*task
}

func newFeedModel(w *world) *feedModel { return &feedModel{w: w, events: feed.New()} }

// lose makes the feed an empty one, whose cursors are others.
func (m *feedModel) lose() { m.events = feed.New() }

// subscription is a session.Feed: one replica's connection to the model.
type subscription struct {
	*feedModel
	r *replica
}

var _ session.Feed = subscription{}

// Publish implements session.Feed.
func (s subscription) Publish(ctx context.Context, events ...string) error {
	w, t := s.w, s.w.current
	if !t.pause(w.between(20*time.Microsecond, 2*time.Millisecond, forFeed)) || s.r.suffers(feedFails, 60) {
		return errInjected
	}
	if ctx.Err() != nil {
		return errInjected
	}
	_ = s.events.Publish(ctx, events...)
	for _, waiting := range s.waiting {
		if !waiting.r.suffers(feedSleeps, 100) {
			waiting.wake(w.between(50*time.Microsecond, 3*time.Millisecond, forFeed, uint64(waiting.r.n)))
		}
	}
	s.waiting = s.waiting[:0]
	if s.r.suffers(storeLies, 40) {
		return errInjected
	}
	return nil
}

// Read implements session.Feed.
func (s subscription) Read(ctx context.Context, after string) (session.FeedPage, error) {
	w, t := s.w, s.w.current
	for {
		if !t.pause(w.between(20*time.Microsecond, time.Millisecond, forFeed, 1)) || s.r.suffers(feedFails, 60) {
			return session.FeedPage{}, errInjected
		}
		page := s.events.Page(after)
		if page.Gap || len(page.Events) > 0 || ctx.Err() != nil {
			return page, nil
		}
		s.waiting = append(s.waiting, t)
		if !t.pause(w.until(ctx)) {
			return session.FeedPage{}, errInjected
		}
	}
}

// Close implements session.Feed.
func (s subscription) Close() error { return nil }
