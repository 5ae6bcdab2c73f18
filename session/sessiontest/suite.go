// Package sessiontest is the conformance suite for implementations of
// session.Store.
package sessiontest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/session"
)

// Clock is a clock that only Advance moves.
type Clock struct{ micros atomic.Int64 }

// Now returns the clock's time.
func (c *Clock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// Open opens a new, empty store whose clock is now. The suite closes it.
type Open func(t *testing.T, now func() time.Time) session.Store

// Traits are the choices that the contract leaves to stores. The zero value is that of a store
// with Django's table.
type Traits struct {
	// Resolution is that of Expires; 0 means a microsecond.
	Resolution time.Duration
	// Python reports that the store keeps Python's values: numbers come back as Python writes
	// them.
	Python bool
	// Forgets reports that expired sessions disappear by themselves, so that ClearExpired never
	// removes any.
	Forgets bool
}

// Run tests the contract of session.Store with stores that open returns.
func Run(t *testing.T, open Open) { RunWith(t, Traits{}, open) }

// RunWith is Run for stores with their own traits.
func RunWith(t *testing.T, traits Traits, open Open) {
	traits.Resolution = max(traits.Resolution, time.Microsecond)
	for _, c := range []struct {
		name string
		test func(*fixture)
	}{
		{"create and load", testCreate},
		{"data comes back", testData},
		{"expiry", testExpiry},
		{"update", testUpdate},
		{"touch", testTouch},
		{"change fails", testChangeFails},
		{"rotate", testRotate},
		{"delete", testDelete},
		{"all", testAll},
		{"clear expired", testClearExpired},
		{"slices are the caller's", testOwnership},
		{"too large", testTooLarge},
		{"context ended", testContext},
		{"closed", testClosed},
		{"two updaters lose nothing", testUpdaters},
		{"deleted is not brought back", testNotBroughtBack},
		{"one rotation wins", testRotateOnce},
		{"flush a user", testFlushUser},
		{"notes", testNotes},
		{"the last texts of a note stay", testNoteText},
		{"the largest note stays", testNoteRace},
		{"revocations of earlier builds", testMoveRevocations},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{T: t, clock: &Clock{}, ctx: t.Context(), traits: traits}
			f.clock.micros.Store(time.Date(2031, 5, 6, 7, 8, 9, 123456000, time.UTC).UnixMicro())
			f.store = open(t, f.clock.Now)
			t.Cleanup(func() { f.store.Close() })
			c.test(f)
		})
	}
}

// fixture is a test with its own store.
type fixture struct {
	*testing.T
	ctx    context.Context
	store  session.Store
	clock  *Clock
	traits Traits
}

// Key returns a random session key.
func Key(t testing.TB) string {
	t.Helper()
	key, err := session.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// create stores a session that expires in an hour and returns its key.
func (f *fixture) create(data string) string {
	f.Helper()
	key := Key(f)
	f.ok(f.store.Create(f.ctx, session.Session{Key: key, Data: []byte(data), Expires: f.in(time.Hour)}))
	return key
}

func (f *fixture) in(d time.Duration) time.Time { return f.clock.Now().Add(d) }

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("got error %v, want none", err)
	}
}

func (f *fixture) fails(got, want error) {
	f.Helper()
	if !errors.Is(got, want) {
		f.Fatalf("got error %v, want %v", got, want)
	}
}

func (f *fixture) missing(key string) {
	f.Helper()
	_, err := f.store.Load(f.ctx, key)
	f.fails(err, session.ErrNotFound)
}

// holds fails the test unless the session under key has this data and expiry.
func (f *fixture) holds(key, data string, expires time.Time) {
	f.Helper()
	v, err := f.store.Load(f.ctx, key)
	f.ok(err)
	f.is(v, key, data, expires)
}

func (f *fixture) is(v session.Session, key, data string, expires time.Time) {
	f.Helper()
	if v.Key != key {
		f.Errorf("got a key other than the requested one")
	}
	if expires = expires.Truncate(f.traits.Resolution); !v.Expires.Truncate(f.traits.Resolution).Equal(expires) {
		f.Errorf("got expiry %v, want %v", v.Expires, expires)
	}
	same := SameJSON
	if f.traits.Python {
		same = sameValues
	}
	if !same(v.Data, []byte(data)) {
		f.Errorf("got data %s, want %s", v.Data, data)
	}
}

// SameJSON reports whether two texts hold the same value, the texts of numbers
// included.
func SameJSON(a, b []byte) bool {
	x, okX := tree(a)
	y, okY := tree(b)
	return okX && okY && reflect.DeepEqual(x, y)
}

// sameValues reports whether two texts hold the same values to Python: its ints
// have no bounds, its other numbers are floats.
func sameValues(a, b []byte) bool {
	x, okX := tree(a)
	y, okY := tree(b)
	return okX && okY && reflect.DeepEqual(numbers(x), numbers(y))
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := new(big.Int).SetString(string(v), 10); ok {
			return n.String()
		}
		f, err := v.Float64()
		if err != nil {
			return err
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	}
	return v
}

func tree(text []byte) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// set is a Change that replaces the data.
func set(data string) session.Change {
	return func(v session.Session) (session.Session, error) {
		v.Data = []byte(data)
		return v, nil
	}
}
