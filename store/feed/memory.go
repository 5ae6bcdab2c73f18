// Package feed implements the feed of a single service on a store.
package feed

import (
	"context"
	"crypto/rand"

	"strconv"
	"strings"
	"sync"

	"cloakroom/session"
)

// kept bounds how many events are kept; a reader that is further behind gets a gap.
const kept = 10_000

// Memory is a session.Feed within one process. New makes one. It does not receive events of other
// processes.
type Memory struct {
	epoch string // cursors of another process, or of another start, are unknown

	mu     sync.Mutex
	events []string // the latest ones
	seq    uint64   // the number of the latest one
	wake   chan struct{}
}

var _ session.Feed = (*Memory)(nil)

// New returns an empty feed.
func New() *Memory { return &Memory{epoch: rand.Text(), wake: make(chan struct{})} }

// Publish implements session.Feed.
func (m *Memory) Publish(_ context.Context, events ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq += uint64(len(events))
	m.events = append(m.events, events...)
	if over := len(m.events) - kept; over > kept {
		m.events = append([]string(nil), m.events[over:]...)
	}
	close(m.wake)
	m.wake = make(chan struct{})
	return nil
}

// Read implements session.Feed.
func (m *Memory) Read(ctx context.Context, after string) (session.FeedPage, error) {
	for {
		page, wake := m.page(after)
		if page.Gap || len(page.Events) > 0 {
			return page, nil
		}
		select {
		case <-ctx.Done():
			return page, nil
		case <-wake:
		}
	}
}

// Page returns the events after a cursor without waiting.
func (m *Memory) Page(after string) session.FeedPage {
	page, _ := m.page(after)
	return page
}

func (m *Memory) page(after string) (session.FeedPage, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := session.FeedPage{Cursor: m.epoch + "." + strconv.FormatUint(m.seq, 10)}
	epoch, number, _ := strings.Cut(after, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	if epoch != m.epoch || err != nil || seq > m.seq || m.seq-seq > uint64(len(m.events)) {
		page.Gap = true
		return page, m.wake
	}
	page.Events = append(page.Events, m.events[uint64(len(m.events))-(m.seq-seq):]...)
	return page, m.wake
}

// Close implements session.Feed.
func (m *Memory) Close() error { return nil }
