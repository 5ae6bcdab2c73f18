package feed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
)

func TestConformance(t *testing.T) {
	sessiontest.RunFeed(t, func(*testing.T) sessiontest.OpenFeed {
		f := feed.New()
		return func(*testing.T) session.Feed { return f }
	})
}

// TestFarBehind publishes more events than are kept: the reader gets a gap, and memory is bounded.
func TestFarBehind(t *testing.T) {
	f := feed.New()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	begin, err := f.Read(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50_000 {
		if err := f.Publish(ctx, fmt.Sprint("k", i)); err != nil {
			t.Fatal(err)
		}
	}
	if page, err := f.Read(ctx, begin.Cursor); err != nil || !page.Gap || len(page.Events) != 0 {
		t.Errorf("%d events, gap %v, %v", len(page.Events), page.Gap, err)
	}
	if page, err := feed.New().Read(ctx, begin.Cursor); err != nil || !page.Gap {
		t.Errorf("another start of the service: %+v, %v", page, err)
	}
}
