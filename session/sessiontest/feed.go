package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cloakroom/session"
)

// OpenFeed opens another feed on the same place.
type OpenFeed func(t *testing.T) session.Feed

// RunFeed tests the contract of session.Feed. Feeds within one process return the same one each
// time.
func RunFeed(t *testing.T, open func(t *testing.T) OpenFeed) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, open OpenFeed)
	}{
		{"events are in order", testFeedOrder},
		{"a reader waits", testFeedWaits},
		{"an unknown cursor", testFeedGap},
		{"many publish, nothing is missed", testFeedMany},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// read returns the page after a cursor. It waits for wait at most.
func read(t *testing.T, f session.Feed, after string, wait time.Duration) session.FeedPage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	page, err := f.Read(ctx, after)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func publish(t *testing.T, f session.Feed, events ...string) {
	t.Helper()
	if err := f.Publish(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

func testFeedOrder(t *testing.T, open OpenFeed) {
	writer, reader := open(t), open(t)
	begin := read(t, reader, "", time.Second)
	if !begin.Gap || begin.Cursor == "" {
		t.Errorf("without a cursor: %+v, want a gap and a cursor", begin)
	}
	if page := read(t, reader, begin.Cursor, 20*time.Millisecond); page.Gap || len(page.Events) != 0 || page.Cursor != begin.Cursor {
		t.Errorf("got events without a Publish: %+v", page)
	}
	publish(t, writer, "k1", "u42")
	publish(t, writer, "*")
	page := read(t, reader, begin.Cursor, time.Second)
	if page.Gap || !slices.Equal(page.Events, []string{"k1", "u42", "*"}) {
		t.Errorf("got %+v", page)
	}
	publish(t, writer, "k2")
	if next := read(t, reader, page.Cursor, time.Second); next.Gap || !slices.Equal(next.Events, []string{"k2"}) {
		t.Errorf("got %+v", next)
	}
	if again := read(t, open(t), begin.Cursor, time.Second); again.Gap || len(again.Events) != 4 {
		t.Errorf("another reader, from the beginning: %+v", again)
	}
}

func testFeedWaits(t *testing.T, open OpenFeed) {
	writer, reader := open(t), open(t)
	cursor := read(t, reader, "", time.Second).Cursor
	got := make(chan session.FeedPage)
	go func() {
		page, err := reader.Read(t.Context(), cursor)
		if err != nil {
			t.Error(err)
		}
		got <- page
	}()
	select {
	case page := <-got:
		t.Fatalf("the reader, whose context has no deadline, has %+v before an event", page)
	case <-time.After(50 * time.Millisecond): // a reader that waits never fails here
	}
	publish(t, writer, "k1")
	select {
	case page := <-got:
		if page.Gap || !slices.Equal(page.Events, []string{"k1"}) {
			t.Errorf("got %+v", page)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reader was not woken")
	}
}

func testFeedGap(t *testing.T, open OpenFeed) {
	f := open(t)
	publish(t, f, "k1")
	cursor := read(t, f, "", time.Second).Cursor
	for _, strange := range []string{"nonsense", "-1", "999999999", "1-1", cursor + "9", "x." + cursor} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		page, err := f.Read(ctx, strange)
		if cancel(); err == nil && !page.Gap {
			t.Errorf("cursor %q: %+v, want a gap", strange, page)
		}
	}
}

func testFeedMany(t *testing.T, open OpenFeed) {
	const writers, each = 4, 50
	reader := open(t)
	cursor := read(t, reader, "", time.Second).Cursor
	var writing sync.WaitGroup
	for w := range writers {
		f := open(t)
		writing.Go(func() {
			for i := range each {
				if err := f.Publish(t.Context(), fmt.Sprintf("k%d.%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, writers)
	for n := 0; n < writers*each; {
		page := read(t, reader, cursor, 10*time.Second)
		if page.Gap || len(page.Events) == 0 {
			t.Fatalf("after %d events: %+v", n, page)
		}
		for _, event := range page.Events {
			var w, i int
			if _, err := fmt.Sscanf(event, "k%d.%d", &w, &i); err != nil || i != next[w] {
				t.Fatalf("event %q, want number %d of its writer", event, next[w])
			}
			next[w]++
			n++
		}
		cursor = page.Cursor
	}
	writing.Wait()
}
