package service

import (
	"context"
	"log/slog"
	"time"

	"cloakroom/session"
)

const (
	noticesEvery = time.Second
	// noticeAfter is in how many successive checks a notice must appear before it is logged: a
	// connection that is lost and restored within them is not logged.
	noticeAfter = 3
)

// LogNotices logs the notices of a store and a feed until ctx ends: each once, and again after it
// has disappeared and returned.
func LogNotices(ctx context.Context, log *slog.Logger, parts ...any) {
	looks := map[string]int{}
	for pause(ctx, noticesEvery) {
		now := map[string]int{}
		for _, n := range session.Notices(parts...) {
			if now[n] = looks[n] + 1; now[n] == noticeAfter {
				log.Warn(n)
			}
		}
		for n, times := range looks {
			if now[n] == 0 && times >= noticeAfter {
				log.Info("no longer so", "notice", n)
			}
		}
		looks = now
	}
}
