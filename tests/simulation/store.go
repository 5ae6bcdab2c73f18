package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/rawjson"
	"cloakroom/store/memory"
)

// storeModel is the store that the replicas and Django share. Its rows are a memory.Store's;
// each use takes virtual time, and can fail, before or after its effect.
type storeModel struct {
	w     *world
	rows  *memory.Store
	clock func() time.Time // of whose call it is
}

func newStoreModel(w *world) *storeModel {
	m := &storeModel{w: w}
	m.clock = func() time.Time { return start.Add(w.now) }
	m.rows = memory.New(func() time.Time { return m.clock() })
	return m
}

// peek returns a row, without the time that it takes to load it.
func (m *storeModel) peek(key string) (session.Session, bool) {
	v, err := m.rows.Load(context.Background(), key)
	return v, err == nil
}

// errInjected is an outage.
var errInjected = fmt.Errorf("%w: by the plan", session.ErrUnavailable)

// handle is a session.Store: one replica's connection to the model.
type handle struct {
	*storeModel
	r *replica // nil: it is always well, as for the conformance suite
}

var _ session.Store = handle{}

// do performs one use of the store: effect, at one moment.
func (h handle) do(ctx context.Context, effect func() error) error {
	if h.r == nil {
		return effect()
	}
	w, t := h.w, h.w.current
	w.stats.storeOps++
	longest := 3 * time.Millisecond
	if h.r.suffers(storeSlow, 60) {
		longest = 60 * time.Millisecond
	}
	if !t.pause(w.between(20*time.Microsecond, longest, forStore, uint64(h.r.n))) {
		return errInjected
	}
	switch {
	case h.r.suffers(storeHangs, 80):
		t.pause(w.until(ctx))
		return errors.Join(errInjected, context.DeadlineExceeded)
	case h.r.suffers(storeFails, 60):
		return errInjected
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(session.ErrUnavailable, err)
	}
	h.clock = h.r.clock.now
	err := effect()
	switch {
	case h.r.suffers(storeLies, 40):
		return errInjected
	case w.chance(25, forStore, 1) && !t.pause(w.between(0, time.Millisecond, forStore, 2)):
		return errInjected
	}
	return err
}

// write is do for what changes rows, which the oracle watches.
func (h handle) write(ctx context.Context, effect func() error, keys ...string) error {
	if h.r == nil {
		return effect()
	}
	return h.do(ctx, func() error { return h.w.oracle.watching(byService, effect, keys...) })
}

func (h handle) Load(ctx context.Context, key string) (v session.Session, err error) {
	err = h.do(ctx, func() (err error) { v, err = h.rows.Load(ctx, key); return err })
	return v, err
}

func (h handle) Create(ctx context.Context, s session.Session) error {
	return h.write(ctx, func() error { return h.rows.Create(ctx, s) }, s.Key)
}

func (h handle) Update(ctx context.Context, key string, change session.Change) (v session.Session, err error) {
	err = h.write(ctx, func() (err error) { v, err = h.rows.Update(ctx, key, twice(change)); return err }, key)
	return v, err
}

func (h handle) Rotate(ctx context.Context, key, newKey string, change session.Change) (v session.Session, err error) {
	err = h.write(ctx, func() (err error) { v, err = h.rows.Rotate(ctx, key, newKey, twice(change)); return err }, key, newKey)
	return v, err
}

// twice calls a change twice, as stores may.
func twice(change session.Change) session.Change {
	if change == nil {
		return nil
	}
	return func(v session.Session) (session.Session, error) {
		first := v
		first.Data = slices.Clone(v.Data)
		_, _ = change(first)
		return change(v)
	}
}

func (h handle) Delete(ctx context.Context, key string) error {
	return h.write(ctx, func() error { return h.rows.Delete(ctx, key) }, key)
}

// All walks in the order of the keys, one row at a time.
func (h handle) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		var all []session.Session
		err := h.do(ctx, func() error {
			for v, err := range h.rows.All(ctx) {
				if err != nil {
					return err
				}
				all = append(all, v)
			}
			return nil
		})
		if err != nil {
			yield(session.Session{}, err)
			return
		}
		slices.SortFunc(all, func(a, b session.Session) int { return strings.Compare(a.Key, b.Key) })
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (h handle) ClearExpired(ctx context.Context, limit int) (n int, err error) {
	err = h.do(ctx, func() (err error) { n, err = h.rows.ClearExpired(ctx, limit); return err })
	return n, err
}

func (h handle) Notes(ctx context.Context, keys ...string) (notes []session.Note, err error) {
	err = h.do(ctx, func() (err error) { notes, err = h.rows.Notes(ctx, keys...); return err })
	return notes, err
}

func (h handle) SetNote(ctx context.Context, key string, n session.Note) error {
	return h.do(ctx, func() error { return h.rows.SetNote(ctx, key, n) })
}

func (h handle) ClearNotes(ctx context.Context, limit int) (n int, err error) {
	err = h.do(ctx, func() (err error) { n, err = h.rows.ClearNotes(ctx, limit); return err })
	return n, err
}

func (h handle) Ping(ctx context.Context) error {
	return h.do(ctx, func() error { return h.rows.Ping(ctx) })
}

func (h handle) Close() error { return h.rows.Close() }

// What Django does, and whoever else writes rows directly. The store is well for them.

// django performs a write of Django's.
func (m *storeModel) django(effect func(), keys ...string) {
	_ = m.w.oracle.watching(byDjango, func() error { effect(); return nil }, keys...)
}

// age is SESSION_COOKIE_AGE.
const age = 14 * 24 * time.Hour

func (m *storeModel) create(key, data string) {
	m.clock = func() time.Time { return start.Add(m.w.now) }
	_ = m.rows.Create(context.Background(), session.Session{Key: key, Data: []byte(data), Expires: m.clock().Add(age)})
}

func (m *storeModel) delete(key string) { _ = m.rows.Delete(context.Background(), key) }

// save writes a row that is there, whatever it holds.
func (m *storeModel) save(key, data string) (saved bool) {
	m.clock = func() time.Time { return start.Add(m.w.now) }
	m.django(func() {
		_, err := m.rows.Update(context.Background(), key, func(v session.Session) (session.Session, error) {
			v.Data, v.Expires = []byte(data), m.clock().Add(age)
			return v, nil
		})
		saved = err == nil
	}, key)
	return saved
}

// setMember merges an object into another.
func setMember(data, patch string) string { return rawjson.MergePatch(data, patch) }

// loginData is what a login writes.
func loginData(user, password string) string {
	return fmt.Sprintf(`{%q:%q,%q:%q,%q:%q}`, session.UserKey, user, session.BackendKey, service.DefaultAuthBackend, session.HashKey, hasher.Hash(password))
}
