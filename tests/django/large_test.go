package django_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLargeSessions stores sessions over a megabyte with Django. They are admitted as their
// users', without their data, however many at once; writes to them are rejected, and change
// nothing.
func TestLargeSessions(t *testing.T) {
	all := append(engines[:len(engines):len(engines)], engine{name: "cached_db, PostgreSQL", new: newCachedPostgres})
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			testLarge(t, start(t, usual, e))
		})
	}
}

func testLarge(t *testing.T, d *driver) {
	if strings.Contains(d.url, "sqlite") || strings.Contains(d.url, "postgres") {
		d.call(t, "migrate", args{}, nil)
	}
	call := d.serve(t, d.url)
	create := func(data string) string {
		var v stored
		d.call(t, "create", args{"text": data, "expiry": nil}, &v)
		return v.Key
	}
	for name, filler := range map[string]string{
		"one long text": `"` + strings.Repeat("x", 2_000_000) + `"`,
		"many values":   "[" + strings.Repeat("1234567,", 200_000) + "0]",
		"nearly 8 MiB":  `"` + strings.Repeat("y", 8_000_000) + `"`,
		"nested":        strings.Repeat("[", 60) + `"` + strings.Repeat("z", 1_500_000) + `"` + strings.Repeat("]", 60),
	} {
		key := create(`{"_auth_user_id":"7","page":` + filler + `,"small":1}`)
		status, got := call("/v1/lookup", map[string]any{"key": key})
		if status != 200 || got.State != "live" || string(got.Data["_auth_user_id"]) != `"7"` || len(got.Data) != 1 || fmt.Sprint(got.Omitted) != "[page small]" {
			t.Fatalf("%s: %d, %.300v", name, status, got)
		}
		if status, got := call("/v1/touch", map[string]any{"key": key, "age": 1200}); status != 200 || got.State != "live" {
			t.Errorf("%s, a touch: %d, %.300v", name, status, got)
		}
		if status, got := call("/v1/update", map[string]any{"key": key, "age": 600, "patch": map[string]any{"small": 2}}); status != http.StatusRequestEntityTooLarge || got.Error == "" {
			t.Errorf("%s, a write: %d, %.300v", name, status, got)
		}
		var after struct {
			Text string
			Ends time.Time
		}
		d.call(t, "age", args{"key": key}, &after)
		var text struct {
			Small int
			Page  json.RawMessage
		}
		if err := json.Unmarshal([]byte(after.Text), &text); err != nil || text.Small != 1 || string(text.Page) != filler {
			t.Errorf("%s: afterwards Django reads %.100s, %v", name, after.Text, err)
		}
		if left := time.Until(after.Ends); left > 20*time.Minute || left < 10*time.Minute {
			t.Errorf("%s: after a touch it ends in %s", name, left)
		}
		var many sync.WaitGroup
		for range 8 {
			many.Go(func() {
				if status, got := call("/v1/lookup", map[string]any{"key": key}); status != 200 || got.State != "live" {
					t.Errorf("%s, many at once: %d, %.100v", name, status, got)
				}
			})
		}
		many.Wait()
		if status, got := call("/v1/flush", map[string]any{"user": "7"}); status != 200 {
			t.Errorf("%s, all of the user: %d, %v", name, status, got)
		}
		if status, got := call("/v1/lookup", map[string]any{"key": key}); status != 200 || got.State != "none" {
			t.Errorf("%s, ended: %d, %.100v", name, status, got)
		}
	}
	huge := create(`{"_auth_user_id":"7","page":"` + strings.Repeat("x", 9_000_000) + `"}`)
	if status, got := call("/v1/lookup", map[string]any{"key": huge}); status != http.StatusRequestEntityTooLarge || !strings.Contains(got.Error, "more than 8 MiB") {
		t.Errorf("9 MB: %d, %.300v", status, got)
	}
}
