package sessiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cloakroom/session"
)

// testUpdaters lets several writers count concurrently, each under its own name and all under a
// common one.
func testUpdaters(f *fixture) {
	const writers, rounds = 4, 25
	key := f.create(`{}`)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range rounds {
				if _, err := f.store.Update(f.ctx, key, count(fmt.Sprintf("w%d", w), "sum")); err != nil {
					f.Errorf("got error %v, want none", err)
				}
			}
		})
	}
	all.Wait()
	want := map[string]int{"sum": writers * rounds}
	for w := range writers {
		want[fmt.Sprintf("w%d", w)] = rounds
	}
	data, err := json.Marshal(want)
	f.ok(err)
	f.holds(key, string(data), f.in(time.Hour))
}

func count(names ...string) session.Change {
	return func(v session.Session) (session.Session, error) {
		counters := map[string]int{}
		err := json.Unmarshal(v.Data, &counters)
		if err != nil {
			return v, err
		}
		for _, name := range names {
			counters[name]++
		}
		v.Data, err = json.Marshal(counters)
		return v, err
	}
}

// testNotBroughtBack deletes sessions while they are updated, rotated and touched.
func testNotBroughtBack(f *fixture) {
	for range 20 {
		key, newKey := f.create(`{"n":0}`), Key(f)
		var all sync.WaitGroup
		var deleted atomic.Bool
		for _, write := range []func() error{
			func() error { _, err := f.store.Update(f.ctx, key, count("n")); return err },
			func() error { _, err := f.store.Update(f.ctx, key, keep); return err },
		} {
			all.Go(func() {
				for range 5 {
					gone := deleted.Load()
					err := write()
					if err != nil && !errors.Is(err, session.ErrNotFound) {
						f.Errorf("got error %v, want none or %v", err, session.ErrNotFound)
					}
					if err == nil && gone {
						f.Errorf("a session was written after it had been deleted")
					}
				}
			})
		}
		all.Go(func() {
			if err := f.store.Delete(f.ctx, key); err != nil {
				f.Errorf("got error %v, want none", err)
			}
			deleted.Store(true)
		})
		all.Wait()
		f.missing(key)
		_, err := f.store.Rotate(f.ctx, key, newKey, nil)
		f.fails(err, session.ErrNotFound)
	}
}

// keep returns the session unchanged.
func keep(v session.Session) (session.Session, error) { return v, nil }

// testRotateOnce lets several callers rotate one session concurrently.
func testRotateOnce(f *fixture) {
	const callers = 4
	key := f.create(`{"a":1}`)
	var all sync.WaitGroup
	var won atomic.Int32
	newKeys := make([]string, callers)
	for i := range newKeys {
		newKeys[i] = Key(f)
		all.Go(func() {
			switch _, err := f.store.Rotate(f.ctx, key, newKeys[i], nil); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, session.ErrNotFound):
				f.Errorf("got error %v, want none or %v", err, session.ErrNotFound)
			}
		})
	}
	all.Wait()
	live := 0
	for _, newKey := range newKeys {
		if _, err := f.store.Load(f.ctx, newKey); err == nil {
			live++
		}
	}
	if won.Load() != 1 || live != 1 {
		f.Errorf("got %d winners and %d sessions, want 1 and 1", won.Load(), live)
	}
	f.missing(key)
}
