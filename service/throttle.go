package service

import (
	"log/slog"
	"sync"
	"time"
)

// throttle logs a kind of warning once a second at most, so that clients cannot fill the log.
type throttle struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*throttled // by message; there are few
}

type throttled struct {
	until   time.Time
	dropped int
}

// warn logs a warning, or counts it for the next one with the same message.
func (t *throttle) warn(message string, args ...any) {
	dropped, ok := t.pass(message)
	if !ok {
		return
	}
	if dropped > 0 {
		args = append(args, "more_like_this", dropped)
	}
	t.log.Warn(message, args...)
}

func (t *throttle) pass(message string) (dropped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[message]
	if k == nil {
		k = &throttled{}
		t.kinds[message] = k
	}
	if now := t.now(); now.Before(k.until) {
		k.dropped++
		return 0, false
	} else {
		k.until = now.Add(time.Second)
	}
	dropped, k.dropped = k.dropped, 0
	return dropped, true
}
