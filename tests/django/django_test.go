package django_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
)

// cases is how many generated sessions are tested in each direction, for each engine in each
// version.
const cases = 200

func TestSchemaIsDjangos(t *testing.T) {
	for _, e := range databases {
		t.Run(e.name, func(t *testing.T) { testSchema(t, start(t, usual, e), start(t, usual, e)) })
	}
}

func testSchema(t *testing.T, theirs, ours *driver) {
	theirs.call(t, "migrate", args{}, nil)
	ours.open(t)
	var want, got []string
	theirs.call(t, "schema", args{}, &want)
	ours.call(t, "schema", args{}, &got)
	got = slices.DeleteFunc(got, func(sql string) bool { return strings.Contains(sql, "cloakroom_") }) // Cloakroom's own tables
	if !slices.Equal(got, want) || len(want) < 2 {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDjangoWritesWeRead(t *testing.T) { each(t, engines, testDjangoWritesWeRead) }

func testDjangoWritesWeRead(t *testing.T, d *driver) {
	r := newRand(t)
	d.migrate(t)
	s := d.open(t)
	g := &generator{Rand: r}
	for range cases {
		var theirs stored
		d.call(t, "create", args{"text": object(r, g.size()), "expiry": d.expiryCase(r, time.Now())}, &theirs)
		ours, err := s.Load(t.Context(), theirs.Key)
		if err != nil {
			t.Fatalf("got %v, want none", err)
		}
		d.same(t, ours, theirs)
	}
	d.compare(cases)
}

func TestWeWriteDjangoReads(t *testing.T) { each(t, engines, testWeWriteDjangoReads) }

func testWeWriteDjangoReads(t *testing.T, d *driver) {
	r := newRand(t)
	s := d.open(t)
	g := &generator{Rand: r}
	for i := range cases {
		ours := session.Session{
			Key:     newKey(t, rand.Reader),
			Data:    []byte(object(r, g.size())),
			Expires: time.Now().Add(time.Minute + time.Duration(r.Int64N(int64(time.Hour)))).Truncate(time.Microsecond),
		}
		if i%5 == 0 {
			ours.Expires = ours.Expires.Truncate(time.Second)
		}
		if err := s.Create(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
		var want string
		d.call(t, "canonical", args{"text": string(ours.Data)}, &want)
		theirs, ok := d.read(t, ours.Key)
		if !ok || theirs.Text != want {
			t.Errorf("Django reads %.300s, %v, want %.300s", theirs.Text, ok, want)
		}
		d.same(t, ours, theirs)
	}
	d.compare(cases)
}

// TestTurns lets each side change what the other wrote, in turns.
func TestTurns(t *testing.T) { each(t, engines, testTurns) }

func testTurns(t *testing.T, d *driver) {
	r := newRand(t)
	s := d.open(t)
	var v stored
	d.call(t, "create", args{"text": object(r, 2000)}, &v)
	key := v.Key
	for turn := range 20 {
		d.call(t, "save", args{"key": key, "name": "turn", "value": turn}, nil)
		if turn%5 == 0 {
			d.call(t, "cycle", args{"key": key}, &key)
		}
		ours, err := s.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
			if !strings.Contains(string(v.Data), fmt.Sprintf(`"turn":%d`, turn)) {
				t.Errorf("turn %d: Django's write is missing", turn)
			}
			v.Data = append(v.Data[:len(v.Data)-1], fmt.Sprintf(`,"ours%d":"☃"}`, turn)...)
			v.Expires = v.Expires.Add(time.Second)
			return v, nil
		})
		if err == nil && turn%3 == 0 {
			ours, err = s.Rotate(t.Context(), key, newKey(t, rand.Reader), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		key = ours.Key
		theirs, ok := d.read(t, key)
		if !ok {
			t.Fatalf("turn %d: Django does not see the session", turn)
		}
		d.same(t, ours, theirs)
	}
}

// TestExpiredVerdicts compares both sides for sessions around and past their expiry.
func TestExpiredVerdicts(t *testing.T) { each(t, ending, testExpiredVerdicts) }

func testExpiredVerdicts(t *testing.T, d *driver) {
	r := newRand(t)
	d.migrate(t)
	s := d.open(t)
	var live []string
	for range 100 {
		// Far enough from now that both clocks agree.
		at := time.Now().Add(time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour)
		if rest := time.Until(at); rest > -time.Minute && rest < time.Minute {
			continue
		}
		var key string
		d.call(t, "put", args{"text": `{"a":1}`, "expires": at.UTC().Format("2006-01-02T15:04:05.000000-07:00")}, &key)
		_, err := s.Load(t.Context(), key)
		if _, ok := d.read(t, key); ok != (err == nil) || err != nil && !errors.Is(err, session.ErrNotFound) {
			t.Errorf("end %v: Django says %v, we say %v", at, ok, err)
		}
		if err == nil {
			live = append(live, key)
		}
	}
	if _, err := s.ClearExpired(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	var left int
	if d.call(t, "clear", args{"keys": live}, &left); left != len(live) {
		t.Errorf("got %d sessions left after clearing, want %d", left, len(live))
	}
	if n, err := s.ClearExpired(t.Context(), 1000); n != 0 || err != nil {
		t.Errorf("cleared %d more, %v", n, err)
	}
}

// TestOwnExpiry checks that a session's own expiry means the same on both sides.
func TestOwnExpiry(t *testing.T) {
	d, r := start(t, usual, sqlite), newRand(t)
	now := time.Date(2027, 2, 28, 23, 59, 59, 999999000, time.UTC)
	own := []string{`null`, `0`, `0.0`, `1`, `60.25`, `1209600`, `31536000`, `"2027-03-01T00:00:00+00:00"`, `"2027-03-01T00:00:00.000001+05:30"`, `"2020-01-01T00:00:00-11:00"`}
	for range 100 {
		own = append(own, fmt.Sprint(1+r.IntN(1<<30)))
	}
	for _, value := range append(own, "") {
		text := `{"` + session.ExpiryKey + `":` + value + `}`
		if value == "" {
			text = `{}`
		}
		var want struct {
			Expires      time.Time
			BrowserClose bool `json:"browser_close"`
			Age          int64
		}
		d.call(t, "expiry", args{"text": text, "now": now.Format("2006-01-02T15:04:05.000000-07:00")}, &want)
		expiry, err := session.ParseExpiry(value)
		if err != nil {
			t.Errorf("%s: got %v, want none", value, err)
			continue
		}
		at, browserClose := session.Policy{Age: time.Duration(want.Age) * time.Second}.End(expiry, now)
		if !at.Equal(want.Expires) || browserClose != want.BrowserClose {
			t.Errorf("%s: got %v, %v, want %v, %v", value, at, browserClose, want.Expires, want.BrowserClose)
		}
	}
}

// TestDeletedStaysDeleted checks that a session that one side deletes is not restored by the
// other.
func TestDeletedStaysDeleted(t *testing.T) { each(t, engines, testDeletedStaysDeleted) }

func testDeletedStaysDeleted(t *testing.T, d *driver) {
	s := d.open(t)
	var v stored
	d.call(t, "create", args{"text": `{"a":1}`}, &v)
	d.call(t, "flush", args{"key": v.Key}, nil)
	if _, err := s.Update(t.Context(), v.Key, keep); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after Django's flush: got %v, want %v", err, session.ErrNotFound)
	}
	d.call(t, "create", args{"text": `{"a":1}`}, &v)
	if err := s.Delete(t.Context(), v.Key); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.read(t, v.Key); ok {
		t.Errorf("Django sees a session that we deleted")
	}
	if raised := d.try(t, "count", args{"key": v.Key, "name": "n", "rounds": 0}, nil); raised != nil {
		t.Errorf("got %v, want none", raised)
	}
}

func keep(v session.Session) (session.Session, error) { return v, nil }

// TestBothWrite writes the same store from both processes concurrently, each to a session of its
// own, while this one reads Django's. Django's own saves are read-modify-write without a lock, so
// only package sessiontest tests two writers of one session.
func TestBothWrite(t *testing.T) { each(t, engines, testBothWrite) }

func testBothWrite(t *testing.T, d *driver) {
	d.migrate(t)
	s := d.open(t)
	const rounds = 150
	var theirs, mine stored
	d.call(t, "create", args{"text": `{}`}, &theirs)
	d.call(t, "create", args{"text": `{"x":""}`}, &mine)
	done := make(chan *djangoError)
	go func() {
		done <- d.try(t, "count", args{"key": theirs.Key, "name": "n", "rounds": rounds}, nil)
	}()
	for range rounds {
		_, err := s.Update(t.Context(), mine.Key, func(v session.Session) (session.Session, error) {
			v.Data = []byte(strings.Replace(string(v.Data), `"}`, `+"}`, 1))
			return v, nil
		})
		if err != nil {
			t.Errorf("Update: got %v, want none", err)
		}
		if _, err := s.Load(t.Context(), theirs.Key); err != nil {
			t.Errorf("Load: got %v, want none", err)
		}
	}
	if raised := <-done; raised != nil {
		t.Fatalf("Django: %s: %s", raised.Error, raised.Message)
	}
	want := map[string]string{theirs.Key: fmt.Sprintf(`{"n":%d}`, rounds), mine.Key: `{"x":"` + strings.Repeat("+", rounds) + `"}`}
	for key, text := range want {
		v, ok := d.read(t, key)
		if ours, err := s.Load(t.Context(), key); !ok || v.Text != text || err != nil || string(ours.Data) != text {
			t.Errorf("Django reads %s, we %s (%v), want %s", v.Text, ours.Data, err, text)
		}
	}
}
