package service

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"cloakroom/session"
)

// A sweep works in batches with pauses between them, so that requests have priority.
const (
	sweepBatch = 500
	sweepPause = 50 * time.Millisecond
)

// Sweep deletes expired sessions and notes about every interval, until ctx ends. Several may run
// on one store; each starts at a random time.
func Sweep(ctx context.Context, s session.Store, interval time.Duration, log *slog.Logger) {
	wait := rand.N(interval)
	for pause(ctx, wait) {
		cleared, err := sweep(ctx, s)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("sweep failed, tried again later", "cleared", cleared, "error", err)
		case cleared > 0:
			log.Info("swept", "cleared", cleared)
		}
		wait = interval*3/4 + rand.N(interval/2)
	}
}

func sweep(ctx context.Context, s session.Store) (cleared int, err error) {
	if cleared, err = inBatches(ctx, sweepPause, s.ClearExpired); err != nil {
		return cleared, err
	}
	_, err = inBatches(ctx, sweepPause, s.ClearNotes)
	return cleared, err
}

// indexPause is the time between looks for sessions that are not indexed.
// session.UserIndex.UserKeys reads those that were written since.
const indexPause = time.Second

// The index is read in small batches, with pauses of indexRest times the duration of the last
// batch, so that requests have priority on two cores, too.
const (
	indexBatch = 100
	indexRest  = 3
)

// Index keeps a store's index of users up to date until ctx ends. Several may run on one store.
func Index(ctx context.Context, s session.UserIndex, log *slog.Logger) {
	switch s := s.(type) {
	case session.UserIndexer:
		indexPending(ctx, s, log)
	case session.UserFollower:
		for pause(ctx, indexPause/2+rand.N(indexPause)) {
			_ = s.FollowUsers(ctx) // its Notices report errors
		}
	}
}

func indexPending(ctx context.Context, s session.UserIndexer, log *slog.Logger) {
	failed := false
	for pause(ctx, indexPause/2+rand.N(indexPause)) {
		err := indexAll(ctx, s)
		if err != nil && !failed && ctx.Err() == nil {
			log.Warn("the index of users is not kept, tried again every second", "error", err)
		}
		failed = err != nil
	}
}

func indexAll(ctx context.Context, s session.UserIndexer) error {
	for {
		start := time.Now()
		n, err := s.IndexUsers(ctx, indexBatch)
		if err != nil || n < indexBatch || !pause(ctx, indexRest*time.Since(start)) {
			return err
		}
	}
}

func inBatches(ctx context.Context, between time.Duration, do func(context.Context, int) (int, error)) (total int, err error) {
	for {
		n, err := do(ctx, sweepBatch)
		if total += n; err != nil || n < sweepBatch || !pause(ctx, between) {
			return total, err
		}
	}
}

// pause waits for d, and reports whether ctx lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
