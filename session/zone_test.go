package session

import (
	"testing"
	"time"
)

func TestZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	object := func(date string) string { return `{"a":1,"_session_expiry":"` + date + `","b":null}` }
	for _, tt := range []struct{ name, stored, shown, again string }{
		{"winter", "2026-12-31T23:30:00", "2026-12-31T22:30:00+00:00", ""},
		{"summer, with a fraction", "2026-07-01T00:00:00.123", "2026-06-30T22:00:00.123+00:00", ""},
		{"with a space", "2026-07-01 12:00:00", "2026-07-01 10:00:00+00:00", ""},
		{"shown twice: the first", "2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00", ""},
		{"never shown", "2026-03-29T02:30:00", "2026-03-29T01:30:00+00:00", "2026-03-29T03:30:00"},
		{"with a zone", "2026-12-31T23:30:00+02:00", "2026-12-31T23:30:00+02:00", "2026-12-31T22:30:00"},
		{"no date", "soon", "soon", ""},
	} {
		if tt.again == "" {
			tt.again = tt.stored
		}
		shown := Shown([]byte(object(tt.stored)), berlin)
		if string(shown) != object(tt.shown) {
			t.Errorf("%s: shown as %s, want %s", tt.name, shown, object(tt.shown))
		}
		if again := Stored(shown, berlin); string(again) != object(tt.again) {
			t.Errorf("%s: stored as %s, want %s", tt.name, again, object(tt.again))
		}
		if same := Shown([]byte(object(tt.stored)), nil); string(same) != object(tt.stored) {
			t.Errorf("%s: with no zone it is shown as %s", tt.name, same)
		}
	}
	for given, want := range map[string]string{
		"2026-12-31T23:59:59Z":             "2026-12-31T23:59:59+00:00",
		"2026-12-31T23:59:59.5+01:00":      "2026-12-31T22:59:59.500000+00:00",
		"2026-12-31T23:59:59.1234567Z":     "2026-12-31T23:59:59.123456+00:00",
		"2026-12-31T23:59:59":              "2026-12-31T23:59:59",
		"2026-12-31T23:59:59.250000+00:00": "2026-12-31T23:59:59.250000+00:00",
		"tomorrow":                         "tomorrow",
	} {
		if got := DjangoPatch([]byte(object(given))); string(got) != object(want) {
			t.Errorf("a patch with %s becomes %s", given, got)
		}
	}
}
