package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cloakroom/session"
)

func testCreate(f *fixture) {
	f.missing(Key(f))
	key := f.create(`{"a":1}`)
	f.holds(key, `{"a":1}`, f.in(time.Hour))

	f.fails(f.store.Create(f.ctx, session.Session{Key: key, Data: []byte(`{}`), Expires: f.in(time.Minute)}), session.ErrExists)
	f.holds(key, `{"a":1}`, f.in(time.Hour))

	f.clock.Advance(2 * time.Hour)
	f.fails(f.store.Create(f.ctx, session.Session{Key: key, Data: []byte(`{}`), Expires: f.in(time.Minute)}), session.ErrExists)
	f.ok(f.store.Ping(f.ctx))
}

func testData(f *fixture) {
	for _, data := range []string{
		`{}`,
		`{"":null,"t":true,"f":false,"list":[1,[],{}],"nested":{"a":{"b":{}}}}`,
		`{"int":12345678901234567890123,"float":1.50,"exp":1e-7,"neg":-0,"e":1E5}`,
		`{"é":"☃","emoji":"😀 \u00e9 \ud83d\ude00","esc":"\"\\\/\b\f\n\r\t\u0000\u007f","html":"<a href='x'>&"}`,
		" {\n\t\"a\" : [ 1 , 2 ] }\r\n",
		`{"long":"` + strings.Repeat("x", 60<<10) + `"}`,
		`{"snow":"` + strings.Repeat("☃", 20<<10) + `"}`,
	} {
		key := f.create(data)
		f.holds(key, data, f.in(time.Hour))
		v, err := f.store.Update(f.ctx, key, set(`{"replaced":true}`))
		f.ok(err)
		f.is(v, key, `{"replaced":true}`, f.in(time.Hour))
		f.holds(key, `{"replaced":true}`, f.in(time.Hour))
	}
}

func testExpiry(f *fixture) {
	for _, rest := range []time.Duration{0, 123456 * time.Microsecond, 500 * time.Millisecond, time.Second, 30 * 24 * time.Hour} {
		key := Key(f)
		end := f.in(time.Hour).Truncate(time.Second).Add(rest).Truncate(f.traits.Resolution)
		f.ok(f.store.Create(f.ctx, session.Session{Key: key, Data: []byte(`{}`), Expires: end.Add(f.traits.Resolution - time.Nanosecond)}))
		f.clock.Advance(end.Sub(f.clock.Now()) - time.Microsecond)
		f.holds(key, `{}`, end)
		f.clock.Advance(time.Microsecond)
		f.missing(key)
		_, err := f.store.Update(f.ctx, key, set(`{"x":1}`))
		f.fails(err, session.ErrNotFound)
		_, err = f.store.Rotate(f.ctx, key, Key(f), nil)
		f.fails(err, session.ErrNotFound)
		for range f.store.All(f.ctx) {
			f.Fatalf("All gave a session at its expiry")
		}
	}
}

func testUpdate(f *fixture) {
	key := f.create(`{"a":1}`)
	_, err := f.store.Update(f.ctx, Key(f), set(`{}`))
	f.fails(err, session.ErrNotFound)

	v, err := f.store.Update(f.ctx, key, func(v session.Session) (session.Session, error) {
		f.is(v, key, `{"a":1}`, f.in(time.Hour))
		return session.Session{Key: "ignored", Data: []byte(`{"a":2}`), Expires: f.in(2 * time.Hour)}, nil
	})
	f.ok(err)
	f.is(v, key, `{"a":2}`, f.in(2*time.Hour))
	f.holds(key, `{"a":2}`, f.in(2*time.Hour))
	f.missing("ignored")

	_, err = f.store.Update(f.ctx, key, func(v session.Session) (session.Session, error) {
		v.Expires = f.clock.Now()
		return v, nil
	})
	f.ok(err)
	f.missing(key)
}

func testTouch(f *fixture) {
	key := f.create(`{"a":"☃"}`)
	for _, life := range []time.Duration{3 * time.Hour, time.Minute} {
		v, err := f.store.Update(f.ctx, key, func(v session.Session) (session.Session, error) {
			v.Expires = f.in(life)
			return v, nil
		})
		f.ok(err)
		f.is(v, key, `{"a":"☃"}`, f.in(life))
		f.holds(key, `{"a":"☃"}`, f.in(life))
	}
}

func testChangeFails(f *fixture) {
	key, newKey := f.create(`{"a":1}`), Key(f)
	want := errors.New("refused")
	refuse := func(v session.Session) (session.Session, error) {
		copy(v.Data, "overwritten")
		return session.Session{Data: []byte(`{"a":2}`)}, want
	}
	_, err := f.store.Update(f.ctx, key, refuse)
	f.fails(err, want)
	_, err = f.store.Rotate(f.ctx, key, newKey, refuse)
	f.fails(err, want)
	if errors.Is(err, session.ErrUnavailable) {
		f.Errorf("got %v: the change's error is no outage", err)
	}
	f.holds(key, `{"a":1}`, f.in(time.Hour))
	f.missing(newKey)
}

func testRotate(f *fixture) {
	key, newKey, third := f.create(`{"a":1}`), Key(f), Key(f)
	v, err := f.store.Rotate(f.ctx, key, newKey, nil)
	f.ok(err)
	f.is(v, newKey, `{"a":1}`, f.in(time.Hour))
	f.missing(key)
	f.holds(newKey, `{"a":1}`, f.in(time.Hour))
	_, err = f.store.Rotate(f.ctx, key, third, nil)
	f.fails(err, session.ErrNotFound)
	f.missing(third)

	v, err = f.store.Rotate(f.ctx, newKey, third, func(v session.Session) (session.Session, error) {
		return session.Session{Data: []byte(`{"b":2}`), Expires: f.in(time.Minute)}, nil
	})
	f.ok(err)
	f.is(v, third, `{"b":2}`, f.in(time.Minute))
	f.holds(third, `{"b":2}`, f.in(time.Minute))

	other := f.create(`{"other":true}`)
	_, err = f.store.Rotate(f.ctx, third, other, set(`{"stolen":true}`))
	f.fails(err, session.ErrExists)
	f.holds(third, `{"b":2}`, f.in(time.Minute))
	f.holds(other, `{"other":true}`, f.in(time.Hour))
}

func testDelete(f *fixture) {
	key, other := f.create(`{"a":1}`), f.create(`{"b":1}`)
	for range 2 {
		f.ok(f.store.Delete(f.ctx, key))
		f.missing(key)
	}
	f.holds(other, `{"b":1}`, f.in(time.Hour))
}

func testAll(f *fixture) {
	const live = 250
	want := map[string]string{}
	for i := range live {
		data := fmt.Sprintf(`{"n":%d}`, i)
		want[f.create(data)] = data
	}
	dead := Key(f)
	f.ok(f.store.Create(f.ctx, session.Session{Key: dead, Data: []byte(`{}`), Expires: f.clock.Now()}))
	for v, err := range f.store.All(f.ctx) {
		f.ok(err)
		data, ok := want[v.Key]
		if !ok {
			f.Fatalf("All gave a session twice, or one that is not live")
		}
		f.is(v, v.Key, data, f.in(time.Hour))
		delete(want, v.Key)
	}
	if len(want) != 0 {
		f.Errorf("All left out %d of %d sessions", len(want), live)
	}
	for range f.store.All(f.ctx) {
		break // the store must stay usable after a walk that is stopped
	}
	f.ok(f.store.Delete(f.ctx, dead))
}

func testClearExpired(f *fixture) {
	const dead = 25
	for range dead {
		f.create(`{}`)
	}
	f.clock.Advance(time.Hour)
	alive := f.create(`{"alive":true}`)
	var got []int
	for range dead {
		n, err := f.store.ClearExpired(f.ctx, 10)
		f.ok(err)
		if got = append(got, n); n < 10 {
			break
		}
	}
	want := "[10 10 5]"
	if f.traits.Forgets {
		want = "[0]"
	}
	if fmt.Sprint(got) != want {
		f.Errorf("got batches %v, want %s", got, want)
	}
	n, err := f.store.ClearExpired(f.ctx, 10)
	f.ok(err)
	if n != 0 {
		f.Errorf("got %d cleared of none", n)
	}
	f.holds(alive, `{"alive":true}`, f.in(time.Hour))
}

func testOwnership(f *fixture) {
	data := []byte(`{"a":1}`)
	key := Key(f)
	f.ok(f.store.Create(f.ctx, session.Session{Key: key, Data: data, Expires: f.in(time.Hour)}))
	clobber := func(b []byte) { copy(b, bytes.Repeat([]byte("!"), len(b))) }
	clobber(data)
	v, err := f.store.Load(f.ctx, key)
	f.ok(err)
	clobber(v.Data)
	mine := []byte(`{"b":2}`)
	v, err = f.store.Update(f.ctx, key, set(`{"a":1}`))
	f.ok(err)
	clobber(v.Data)
	f.holds(key, `{"a":1}`, f.in(time.Hour))
	_, err = f.store.Update(f.ctx, key, func(v session.Session) (session.Session, error) {
		clobber(v.Data)
		v.Data = mine
		return v, nil
	})
	f.ok(err)
	clobber(mine)
	f.holds(key, `{"b":2}`, f.in(time.Hour))
}

// testTooLarge allows a store to have no limit of its own, but a rejected write must return
// ErrTooLarge and change nothing.
func testTooLarge(f *fixture) {
	key := f.create(`{"a":1}`)
	huge := `{"x":"` + strings.Repeat("y", 8<<20) + `"}`
	switch _, err := f.store.Update(f.ctx, key, set(huge)); {
	case err == nil:
		f.holds(key, huge, f.in(time.Hour))
	default:
		f.fails(err, session.ErrTooLarge)
		f.holds(key, `{"a":1}`, f.in(time.Hour))
	}
}

func testContext(f *fixture) {
	key := f.create(`{"a":1}`)
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	for name, err := range everyMethod(ended, f.store, key, f.in(time.Hour)) {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			f.Errorf("%s: got error %v, want %v and %v", name, err, session.ErrUnavailable, context.Canceled)
		}
	}
	f.holds(key, `{"a":1}`, f.in(time.Hour))
}

func testClosed(f *fixture) {
	key := f.create(`{"a":1}`)
	f.ok(f.store.Close())
	for name, err := range everyMethod(f.ctx, f.store, key, f.in(time.Hour)) {
		if !errors.Is(err, session.ErrUnavailable) {
			f.Errorf("%s: got error %v, want %v", name, err, session.ErrUnavailable)
		}
	}
}

func everyMethod(ctx context.Context, s session.Store, key string, expires time.Time) map[string]error {
	errs := map[string]error{}
	_, errs["Load"] = s.Load(ctx, key)
	errs["Create"] = s.Create(ctx, session.Session{Key: key + "x", Data: []byte(`{}`), Expires: expires})
	_, errs["Update"] = s.Update(ctx, key, set(`{}`))
	_, errs["Rotate"] = s.Rotate(ctx, key, key+"y", nil)
	errs["Delete"] = s.Delete(ctx, key)
	_, errs["ClearExpired"] = s.ClearExpired(ctx, 1)
	errs["Ping"] = s.Ping(ctx)
	errs["All"] = nil
	for _, err := range s.All(ctx) {
		errs["All"] = err
	}
	return errs
}
