package django_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
)

// nested returns a list with n levels of nesting.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// jsonOnly are the texts of sessions that Python's json module writes, but that JSON or this
// project cannot represent in full; the data that is shown; and Django's data after a write of
// another key.
var jsonOnly = []struct{ name, text, shown, written string }{
	{"NaN", `{"_auth_user_id":"7","a":NaN}`, `{"_auth_user_id":"7","a":null}`, `{"_auth_user_id":"7","a":NaN,"ours":1}`},
	{"in lists", `{"a":[Infinity,-Infinity,{"b":NaN}],"n":1.0}`, `{"a":[null,null,{"b":null}],"n":1.0}`, `{"a":[Infinity,-Infinity,{"b":NaN}],"n":1.0,"ours":1}`},
	{"nested", `{"_auth_user_id":"7","d":` + nested(200) + `,"n":1}`, `{"_auth_user_id":"7","n":1}`, `{"_auth_user_id":"7","d":` + nested(200) + `,"n":1,"ours":1}`},
	{"deeper than pickle", `{"_auth_user_id":"7","d":` + nested(900) + `,"n":1}`, `{"_auth_user_id":"7","n":1}`, `{"_auth_user_id":"7","d":` + nested(900) + `,"n":1,"ours":1}`},
	{"both", `{"d":` + nested(129) + `,"a":"NaN","b":NaN}`, `{"a":"NaN","b":null}`, `{"d":` + nested(129) + `,"a":"NaN","b":NaN,"ours":1}`},
}

// TestPythonsJSON checks that values that Python's json module writes, but that JSON lacks or
// Cloakroom cannot read, survive Cloakroom's writes in all engines.
func TestPythonsJSON(t *testing.T) { each(t, engines, testPythonsJSON) }

func testPythonsJSON(t *testing.T, d *driver) {
	d.migrate(t)
	s := d.open(t)
	for _, row := range jsonOnly {
		var theirs stored
		if cached := d.name == cachedDB.name || slices.ContainsFunc(caches, func(e engine) bool { return e.name == d.name }); cached && row.name == "deeper than pickle" {
			continue
		}
		d.call(t, "create", args{"text": row.text}, &theirs)
		ours, err := s.Load(t.Context(), theirs.Key)
		if err != nil || string(ours.Data) != row.shown {
			t.Errorf("%s: got %.200s, %v, want %s", row.name, ours.Data, err, row.shown)
			continue
		}
		if err := set(t, s, theirs.Key, "ours", "1"); err != nil {
			t.Errorf("%s: got %v, want none", row.name, err)
		}
		if got, ok := d.read(t, theirs.Key); !ok || got.Text != row.written {
			t.Errorf("%s: Django reads %.300s, want %.300s", row.name, got.Text, row.written)
		}
		key := newKey(t, rand.Reader)
		if _, err := s.Rotate(t.Context(), theirs.Key, key, nil); err != nil {
			t.Errorf("%s: got %v, want none", row.name, err)
		}
		// Like service.cycle.
		v, err := s.Load(t.Context(), key)
		v.Key = newKey(t, rand.Reader)
		if err == nil {
			err = s.Create(t.Context(), v)
		}
		if got, ok := d.read(t, v.Key); err != nil || !ok || got.Text != row.written {
			t.Errorf("%s: of a copy Django reads %.300s (%v), want %.300s", row.name, got.Text, err, row.written)
		}
		if session.UserOf(ours.Data) != "7" {
			continue
		}
		if keys, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || len(keys) != 2 {
			t.Errorf("%s: flushed %d sessions of the user, %v, want 2", row.name, len(keys), err)
		}
	}
}

// TestPythonsJSONInCookies checks the same for signed cookies.
func TestPythonsJSONInCookies(t *testing.T) { eachVersion(t, testPythonsJSONInCookies) }

func testPythonsJSONInCookies(t *testing.T, v version) {
	d, now := start(t, v, sqlite), time.Now()
	codec := cookieCodec(t, secret)
	for _, row := range jsonOnly {
		var cookie, written string
		d.call(t, "cookie_write", args{"text": row.text}, &cookie)
		data, origin, _, err := codec.Read(cookie, time.Hour, now)
		if err != nil || string(data) != row.shown {
			t.Errorf("%s: got %.200s, %v, want %s", row.name, data, err, row.shown)
			continue
		}
		cookie, err = codec.Write([]byte(strings.TrimSuffix(string(data), "}")+`,"ours":1}`), origin, now)
		if err != nil {
			t.Errorf("%s: got %v, want none", row.name, err)
			continue
		}
		if d.call(t, "cookie_read", args{"value": cookie, "age": 3600}, &written); written != row.written {
			t.Errorf("%s: Django reads %.300s, want %.300s", row.name, written, row.written)
		}
	}
}
