package django_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/store"
)

// zones are the time zone settings of projects.
var zones = []struct {
	useTZ bool
	zone  string
}{{false, "America/Chicago"}, {false, "Asia/Tokyo"}, {false, "UTC"}, {true, "Asia/Tokyo"}}

// TestDatesOfASite ends sessions at dates in Django, as set_expiry accepts them with USE_TZ False
// and True, and reads and writes them with the session service.
func TestDatesOfASite(t *testing.T) {
	each := append(engines[:len(engines):len(engines)], engine{name: "cached_db, PostgreSQL", new: newCachedPostgres})
	eachVersion(t, func(t *testing.T, v version) {
		for _, e := range each {
			for _, z := range zones {
				t.Run(fmt.Sprintf("%s/%v %s", e.name, z.useTZ, z.zone), func(t *testing.T) {
					t.Parallel()
					zoned := e
					zoned.new = func(t *testing.T) (string, map[string]any) {
						at, settings := e.new(t)
						settings["USE_TZ"], settings["TIME_ZONE"] = z.useTZ, z.zone
						return at, settings
					}
					d := start(t, v, zoned)
					testDates(t, d, z.useTZ, z.zone)
				})
			}
		}
	})
}

// inZone returns a store's URL with a zone.
func inZone(storeURL, zone string) string {
	first, second, isTwo := strings.Cut(storeURL, " ")
	separator := "?"
	if strings.Contains(first, "?") {
		separator = "&"
	}
	first += separator + "time_zone=" + url.QueryEscape(zone)
	if isTwo {
		first += " " + second
	}
	return first
}

func testDates(t *testing.T, d *driver, useTZ bool, zone string) {
	if strings.Contains(d.url, "sqlite") || strings.Contains(d.url, "postgres") {
		d.call(t, "migrate", args{}, nil)
	}
	unnamed := d.serve(t, d.url)
	named := unnamed
	if !useTZ {
		named = d.serve(t, inZone(d.url, zone))
	}
	var key string
	d.call(t, "set_date", args{"seconds": 5400}, &key)
	want := time.Now().Add(5400 * time.Second)
	near := func(what string, got, want time.Time) {
		t.Helper()
		if math.Abs(got.Sub(want).Seconds()) > 60 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	// Django reads what was written, and its middleware does not fail on it.
	djangos := func(what string, want time.Time) {
		t.Helper()
		var got *struct {
			Age  int
			Ends time.Time
			Text string
		}
		if raised := d.try(t, "age", args{"key": key}, &got); raised != nil || got == nil {
			t.Fatalf("%s: Django fails: %v, or has no session: %v", what, raised, got)
		}
		near(what+": Django's age", time.Now().Add(time.Duration(got.Age)*time.Second), want)
		near(what+": Django's end", got.Ends, want)
	}
	look := func(what string, want time.Time) {
		t.Helper()
		status, got := named("/v1/lookup", map[string]any{"key": key})
		if status != 200 || got.State != "live" {
			t.Fatalf("%s: %d, %+v", what, status, got)
		}
		near(what, time.Unix(got.Expires, 0), want)
		e, err := session.ParseExpiry(string(got.Data[session.ExpiryKey]))
		if err != nil {
			t.Fatal(err)
		}
		at, _ := session.Policy{}.End(e, time.Now())
		near(what+": its data", at, want)
	}
	look("a date of Django's", want)
	djangos("a date of Django's", want)
	write := func(patch map[string]any) {
		t.Helper()
		if status, got := named("/v1/update", map[string]any{"key": key, "age": 1209600, "patch": patch}); status != 200 || got.State != "live" {
			t.Fatalf("update: %d, %+v", status, got)
		}
	}
	write(map[string]any{"colour": "blue"})
	look("after another write", want)
	djangos("after another write", want)
	later := time.Now().Add(3 * time.Hour)
	write(map[string]any{session.ExpiryKey: later.UTC().Format(time.RFC3339)})
	look("a date of a service's", later)
	djangos("a date of a service's", later)
	if !useTZ {
		testUnnamedZone(t, d, unnamed, named, key)
	}
}

// testUnnamedZone checks that a service without the zone rejects what depends on it, and leaves
// the session unchanged.
func testUnnamedZone(t *testing.T, d *driver, unnamed, named caller, key string) {
	local := strings.Contains(d.url, "file:") || strings.HasPrefix(d.url, "sqlite:")
	status, got := unnamed("/v1/lookup", map[string]any{"key": key})
	if local && status != http.StatusUnprocessableEntity || !local && (status != 200 || got.State != "live") {
		t.Errorf("with no zone named a lookup returns %d, %+v", status, got)
	}
	status, got = unnamed("/v1/update", map[string]any{"key": key, "age": 60, "patch": map[string]any{"colour": "red"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(got.Error, "time_zone=") {
		t.Errorf("with no zone named a write returns %d, %+v", status, got)
	}
	if status, got = named("/v1/lookup", map[string]any{"key": key}); status != 200 || string(got.Data["colour"]) != `"blue"` {
		t.Errorf("afterwards the session is %d, %+v", status, got)
	}
}

// found is a response of the session service.
type found struct {
	State   string
	Expires int64
	Data    map[string]json.RawMessage
	Omitted []string
	Error   string
}

type caller func(path string, body map[string]any) (int, found)

// serve starts a session service on a store and returns a function that calls it.
func (d *driver) serve(t *testing.T, storeURL string) caller {
	t.Helper()
	s, err := store.Open(t.Context(), storeURL, store.Options{Codec: codec(t, secret), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h, err := service.New(service.Config{Store: s, Open: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return func(path string, body map[string]any) (int, found) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(text))))
		var got found
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		return w.Code, got
	}
}

func newCachedPostgres(t *testing.T) (string, map[string]any) {
	databaseURL, settings := newPostgres(t)
	cacheURL, cache := newRedis(testenv.Valkey)(t)
	settings["SESSION_ENGINE"] = "django.contrib.sessions.backends.cached_db"
	settings["CACHES"] = cache["CACHES"]
	return "cached+" + databaseURL + " " + cacheURL, settings
}
