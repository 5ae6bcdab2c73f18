package store

import (
	"context"

	"cloakroom/session"
	"cloakroom/store/feed"
)

// Feed returns the feed that belongs to a store: the one that all services on its PostgreSQL or
// Redis share, or one within this process.
func Feed(ctx context.Context, s session.Store) (session.Feed, error) {
	if shared, ok := s.(interface {
		Feed(context.Context) (session.Feed, error)
	}); ok {
		return shared.Feed(ctx)
	}
	return feed.New(), nil
}
