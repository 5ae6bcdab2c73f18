package worker

import (
	"testing"
	"time"

	"cloakroom/filter/config"
)

// TestWarnings has warnings come at intervals: one a second is logged, and says how many were not.
func TestWarnings(t *testing.T) {
	parsed, err := config.Parse(`{"engine":{"service":{"cluster":"sessions"}}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, now := New(parsed, Options{ID: "one"}), time.Unix(1800000000, 0)
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "a storm"},
		{0, ""},
		{999 * time.Millisecond, ""},
		{time.Millisecond, "a storm (2 warnings before this were left out)"},
		{time.Second, "a storm"},
		{-time.Hour, "a storm"}, // the clock was set back
		{500 * time.Millisecond, ""},
	} {
		now = now.Add(step.after)
		w.begin(nil, true, now)
		w.warn("a storm")
		got := ""
		if o := w.end(); len(o.Warnings) > 0 {
			got = o.Warnings[0]
		}
		if got != step.want {
			t.Errorf("after %v more: %q is logged, want %q", step.after, got, step.want)
		}
	}
}
