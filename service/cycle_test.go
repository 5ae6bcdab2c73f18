package service_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
)

func key(k string) string { return fmt.Sprintf(`{"key":%q}`, k) }

// call sends a request and fails the test unless the response is 200 and contains all of want.
func (f *fixture) call(path, body string, want ...string) {
	f.Helper()
	status, text := f.do("POST", path, body)
	if status != 200 {
		f.Fatalf("%s: %d %s", path, status, text)
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			f.Errorf("%s returned %s, want %s in it", path, text, part)
		}
	}
}

const gone = `{"state":"none"}`

// cycled creates a session under drawn(0) and cycles it to drawn(1).
func cycled(t *testing.T) *fixture {
	f := start(t)
	f.call("/v1/create", `{"data":{"_auth_user_id":"7","n":1},"age":3600}`, drawn(0))
	f.call("/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0)), `"live"`)
	return f
}

func TestCycle(t *testing.T) {
	f := cycled(t)
	f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(1)+`"`, `"n":1`) // the lookup of the previous key returns the new one
	f.call("/v1/lookup", key(drawn(1)), `"state":"live"`, `"n":1`)
	if _, text := f.do("POST", "/v1/lookup", key(drawn(1))); strings.Contains(text, drawn(0)) || strings.Contains(text, `"key"`) {
		t.Errorf("the lookup of the new key returns a key: %s", text)
	}
	f.call("/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0)), `"live"`) // idempotent: the new key exists
	f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(1)+`"`)
	f.call("/v1/update", fmt.Sprintf(`{"key":%q,"patch":{"n":2},"age":3600}`, drawn(0)), `"n":2`) // a stream that began earlier
	f.call("/v1/lookup", key(drawn(1)), `"n":2`)
	f.call("/v1/touch", fmt.Sprintf(`{"key":%q,"age":7200}`, drawn(0)), fmt.Sprint(f.clock.Now().Unix()+7200))
	f.call("/v1/lookup", key(drawn(1)), fmt.Sprint(f.clock.Now().Unix()+7200))
	f.clock.Advance(50 * time.Minute) // the new key was not used: the previous one stays valid
	f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(1)+`"`)
}

// TestGrace checks that the previous key is valid for its grace period after the first use of the
// new one. A later use of it revokes the session under both keys, and is counted.
func TestGrace(t *testing.T) {
	f := cycled(t)
	f.call("/v1/used", key(drawn(1)), `"live"`)
	f.clock.Advance(59 * time.Second)
	f.call("/v1/used", key(drawn(1)), `"live"`) // not the first use: the grace period does not move
	f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(1)+`"`)
	f.clock.Advance(time.Second)
	f.call("/v1/lookup", key(drawn(0)), gone)
	f.call("/v1/lookup", key(drawn(1)), gone)
	if _, text := f.do("GET", "/metrics", ""); !strings.Contains(text, "cloakroom_replayed_keys_total 1") {
		t.Error("the replay is not counted")
	}
	if log := f.log.String(); !strings.Contains(log, "user=7") || strings.Contains(log, drawn(0)) || strings.Contains(log, drawn(1)) {
		t.Errorf("want the user, and no key, in the log:\n%s", log)
	}
}

// TestFamilyEnds checks that a logout with any key of a session ends it under all.
func TestFamilyEnds(t *testing.T) {
	for i, path := range []string{"/v1/flush", "/v1/flush", "/v1/login"} {
		f := cycled(t)
		switch {
		case path == "/v1/login":
			f.call(path, fmt.Sprintf(`{"key":%q,"user":"8","age":3600}`, drawn(0)), drawn(3)) // drawn(2) was drawn by the failed write to the previous key
			f.call("/v1/lookup", key(drawn(3)), `"_auth_user_id":"8"`)
		default:
			f.call(path, key(drawn(i)), gone)
		}
		for n := range 2 {
			f.call("/v1/lookup", key(drawn(n)), gone)
		}
	}
}

// TestFamilyEndsWithoutLinks checks that a logout with any of three keys ends all, where a Django
// view has written the first session back without the link to its new key, and it was cycled
// again.
func TestFamilyEndsWithoutLinks(t *testing.T) {
	for _, with := range []int{0, 1, 2} {
		f := cycled(t)
		_, err := f.store.Update(t.Context(), drawn(0), func(v session.Session) (session.Session, error) {
			v.Data = []byte(`{"_auth_user_id":"7"}`)
			return v, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.call("/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0)), `"live"`)
		f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(2)+`"`)
		_, err = f.store.Update(t.Context(), drawn(0), func(v session.Session) (session.Session, error) {
			v.Data = []byte(`{"_auth_user_id":"7"}`)
			return v, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.call("/v1/flush", key(drawn(with)), gone)
		for n := range 3 {
			f.call("/v1/lookup", key(drawn(n)), gone)
		}
	}
}

// TestCycleTwice checks that a key can be cycled repeatedly; the first key is past its grace
// period by then.
func TestCycleTwice(t *testing.T) {
	f := cycled(t)
	f.call("/v1/used", key(drawn(1)))
	f.call("/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(1)), `"live"`)
	f.call("/v1/lookup", key(drawn(0)), `"key":"`+drawn(2)+`"`)
	f.call("/v1/used", key(drawn(2)))
	f.clock.Advance(time.Minute)
	f.call("/v1/lookup", key(drawn(2)), `"live"`)
	f.call("/v1/lookup", key(drawn(0)), gone)
	f.call("/v1/lookup", key(drawn(2)), gone)
}

func TestCycleRefuses(t *testing.T) {
	f := start(t)
	f.call("/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(9)), gone)
	f.call("/v1/used", key(drawn(9)), gone)
	for _, body := range []string{`{"grace":60}`, fmt.Sprintf(`{"key":%q,"grace":-1}`, drawn(0)), fmt.Sprintf(`{"key":%q,"grace":86401}`, drawn(0))} {
		if status, text := f.do("POST", "/v1/cycle", body); status != 400 {
			t.Errorf("%s: %d %s, want 400", body, status, text)
		}
	}
}

// busy is a store in which another write precedes each update.
type busy struct {
	session.Store
	mu     sync.Mutex
	writes int
}

func (b *busy) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writes--; b.writes >= 0 {
		_, err := b.Store.Update(ctx, key, func(v session.Session) (session.Session, error) {
			v.Data = []byte(fmt.Sprintf(`{"n":%d}`, b.writes))
			return v, nil
		})
		if err != nil {
			return session.Session{}, err
		}
	}
	return b.Store.Update(ctx, key, change)
}

// TestCycleLosesNothing checks that a write during a cycle is in the copy, or that there is no
// copy.
func TestCycleLosesNothing(t *testing.T) {
	for writes, want := range map[int]int{2: 200, 3: 503} {
		f := start(t)
		f.call("/v1/create", `{"data":{"n":9},"age":3600}`)
		f.serve(&busy{Store: f.store, writes: writes})
		if status, text := f.do("POST", "/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0))); status != want {
			t.Errorf("%d writes: %d %s, want %d", writes, status, text, want)
		}
		f.call("/v1/lookup", key(drawn(0)), `"n":0`)
		left := 0
		for v, err := range f.store.All(t.Context()) {
			if err != nil && !errors.Is(err, session.ErrNotFound) {
				t.Fatal(err)
			}
			if v.Cycle().Next == nil {
				left++
			}
		}
		if left != 1 {
			t.Errorf("%d writes: %d sessions are left that lead nowhere, want one", writes, left)
		}
	}
}

// TestCycleAtOnce checks that concurrent calls all get the same new key.
func TestCycleAtOnce(t *testing.T) {
	f := start(t)
	var err error
	if f.handler, err = service.New(service.Config{Store: f.store, Token: token, Now: f.clock.Now}); err != nil { // with random keys
		t.Fatal(err)
	}
	f.call("/v1/create", `{"data":{"n":1},"age":3600}`)
	var old string
	for v := range f.store.All(t.Context()) {
		old = v.Key
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { f.do("POST", "/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, old)) })
	}
	all.Wait()
	n := 0
	for range f.store.All(t.Context()) {
		n++
	}
	if n != 2 {
		t.Errorf("%d rows are left, want the old key's and the new one's", n)
	}
	f.call("/v1/flush", key(old), gone) // and those that were not the first stand in no one's way
	for v := range f.store.All(t.Context()) {
		t.Errorf("a row is left after the session's end: %s", v.Data)
	}
}

// TestCopiedLink checks that a link counts only in the session that was rotated. Django copies a
// session's data to a new key, at a login or a change of the password, with the link to the second
// key. A logout with the old keys must not end the new session.
func TestCopiedLink(t *testing.T) {
	f := cycled(t)
	v, err := f.store.Load(t.Context(), drawn(0))
	if err != nil {
		t.Fatal(err)
	}
	v.Key = strings.Repeat("d", session.KeyLength)
	if err := errors.Join(f.store.Create(t.Context(), v), f.store.Delete(t.Context(), drawn(0))); err != nil {
		t.Fatal(err)
	}
	f.call("/v1/lookup", key(v.Key), `{"state":"live","expires"`)
	f.call("/v1/changed", fmt.Sprintf(`{"key":%q,"ended":true}`, drawn(0)), gone)
	f.call("/v1/lookup", key(drawn(1)), gone)
	f.call("/v1/lookup", key(v.Key), `"state":"live"`)
	f.call("/v1/update", fmt.Sprintf(`{"key":%q,"patch":{"n":3},"age":3600}`, v.Key), `"n":3`)
}

// cutOff is a store whose connection is lost after each update, before the update is confirmed.
type cutOff struct{ session.Store }

func (s cutOff) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	v, err := s.Store.Update(ctx, key, change)
	return v, errors.Join(err, session.ErrUnavailable)
}

// TestCycleCutOff checks that an outage during a cycle ends no session.
func TestCycleCutOff(t *testing.T) {
	f := start(t)
	f.call("/v1/create", `{"data":{"_auth_user_id":"7"},"age":3600}`, drawn(0))
	f.serve(cutOff{f.store})
	if status, text := f.do("POST", "/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0))); status != 503 {
		t.Errorf("/v1/cycle: %d %s, want 503", status, text)
	}
	f.serve(f.store)
	f.call("/v1/lookup", key(drawn(0)), `"state":"live"`)
}

// TestLoginEndsOldKeys checks that a login deletes all of the session's previous keys, even where
// a Django view that began earlier writes the first of them again.
func TestLoginEndsOldKeys(t *testing.T) {
	f := cycled(t)
	f.call("/v1/login", fmt.Sprintf(`{"key":%q,"user":"7","age":3600}`, drawn(0)), drawn(3))
	for n := range 2 {
		if _, err := f.store.Load(t.Context(), drawn(n)); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("key %d of the session before the login: %v, want that it is not found", n, err)
		}
	}
	f.call("/v1/lookup", key(drawn(3)), `"state":"live"`)
}

// meanwhile is a store that calls a function before its nth use.
type meanwhile struct {
	session.Store
	n    *int
	then func()
}

func (s meanwhile) use() {
	if *s.n--; *s.n == 0 {
		s.then()
	}
}

func (s meanwhile) Load(ctx context.Context, key string) (session.Session, error) {
	s.use()
	return s.Store.Load(ctx, key)
}

func (s meanwhile) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	s.use()
	return s.Store.Update(ctx, key, change)
}

func (s meanwhile) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	s.use()
	return s.Store.Notes(ctx, keys...)
}

func (s meanwhile) Delete(ctx context.Context, key string) error {
	s.use()
	return s.Store.Delete(ctx, key)
}

func (s meanwhile) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		for v, err := range s.Store.All(ctx) {
			if !yield(v, err) {
				return
			}
		}
		s.use()
	}
}

// TestFlushWhileTheKeyChanges rotates the session's key, and has a client use the new one, at each
// step of a logout. The session must have ended under both.
func TestFlushWhileTheKeyChanges(t *testing.T) {
	for _, flush := range []string{key(drawn(0)), `{"user":"7"}`} {
		for n := 1; n < 8; n++ {
			f := start(t)
			f.call("/v1/create", `{"data":{"_auth_user_id":"7"},"age":3600}`, drawn(0))
			left, taken := n, ""
			f.serve(meanwhile{f.store, &left, func() {
				other := &fixture{T: t, clock: f.clock, random: f.random, feed: f.feed, store: f.store}
				other.serve(f.store)
				other.do("POST", "/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0)))
				_, taken = other.do("POST", "/v1/lookup", key(drawn(0)))
			}})
			f.call("/v1/flush", flush, gone)
			f.serve(f.store)
			for k := range 2 {
				if _, text := f.do("POST", "/v1/lookup", key(drawn(k))); text != gone {
					t.Errorf("%s, with another key before use %d of the store: key %d leads to %s; the client had %s", flush, n, k, text, taken)
				}
			}
		}
	}
}

// TestDjangoEndsTheKeyThatChanges has Django end a session when it has just got another key: the
// notification that it has ended comes before that key is noted.
func TestDjangoEndsTheKeyThatChanges(t *testing.T) {
	f := start(t)
	f.call("/v1/create", `{"data":{"_auth_user_id":"7"},"age":3600}`, drawn(0))
	store, done := f.store, false
	f.serve(linked{store, func() {
		if !done {
			done = true
			if err := store.Delete(t.Context(), drawn(0)); err != nil {
				t.Error(err)
			}
			other := &fixture{T: t, clock: f.clock, random: f.random, feed: f.feed, store: store}
			other.serve(store)
			other.call("/v1/changed", fmt.Sprintf(`{"key":%q,"ended":true}`, drawn(0)), gone)
		}
	}})
	f.do("POST", "/v1/cycle", fmt.Sprintf(`{"key":%q,"grace":60}`, drawn(0)))
	f.serve(store)
	f.call("/v1/lookup", key(drawn(1)), gone)
}

// linked is a store with which something happens after each update.
type linked struct {
	session.Store
	then func()
}

func (s linked) Update(ctx context.Context, key string, change session.Change) (session.Session, error) {
	v, err := s.Store.Update(ctx, key, change)
	s.then()
	return v, err
}
