package sessiontest

import (
	"slices"
	"time"

	"cloakroom/session"
)

// testFlushUser checks that FlushUser ends all sessions of one user and no others, whoever wrote
// them and whenever they were indexed.
func testFlushUser(f *fixture) {
	var of7 []string
	add := func() {
		of7 = append(of7, f.create(`{"_auth_user_id":"7","x":[1]}`), f.create(`{"_auth_user_id":7}`))
	}
	add()
	// Django's login makes the row of the new key first, and writes the user into it later.
	stepwise := f.create(`{"cart":1}`)
	others := []string{
		f.create(`{"_auth_user_id":"77"}`), f.create(`{"_auth_user_id":null}`), f.create(`{"a":{"_auth_user_id":"7"}}`),
		f.create(`{}`), f.create(`{"_auth_user_id":"7' OR '1'='1"}`),
	}
	indexAll(f)
	_, err := f.store.Update(f.ctx, stepwise, func(v session.Session) (session.Session, error) {
		v.Data = []byte(`{"cart":1,"_auth_user_id":"7"}`)
		return v, nil
	})
	f.ok(err)
	of7 = append(of7, stepwise)
	add() // not yet indexed
	gone := f.create(`{"_auth_user_id":"7"}`)
	f.ok(f.store.Delete(f.ctx, gone))
	rotated := Key(f)
	_, err = f.store.Rotate(f.ctx, of7[0], rotated, nil)
	f.ok(err)
	of7[0] = rotated

	keys, err := session.FlushUser(f.ctx, f.store, "7", f.store.Delete)
	f.ok(err)
	slices.Sort(keys)
	slices.Sort(of7)
	if !slices.Equal(keys, of7) {
		f.Errorf("flushed %d sessions, want the user's %d", len(keys), len(of7))
	}
	for _, key := range of7 {
		f.missing(key)
	}
	for _, key := range others {
		if _, err := f.store.Load(f.ctx, key); err != nil {
			f.Errorf("another's session: %v", err)
		}
	}
	indexAll(f)
	keys, err = session.FlushUser(f.ctx, f.store, "7", f.store.Delete)
	f.ok(err)
	none, err := session.FlushUser(f.ctx, f.store, "", f.store.Delete)
	f.ok(err)
	if len(keys)+len(none) != 0 {
		f.Errorf("flushed %d sessions of nobody", len(keys)+len(none))
	}
	again := f.create(`{"_auth_user_id":"7"}`)
	f.holds(again, `{"_auth_user_id":"7"}`, f.in(time.Hour))
}

// indexAll indexes what is not indexed, a few at a time.
func indexAll(f *fixture) {
	f.Helper()
	if indexer, ok := f.store.(session.UserIndexer); ok {
		for {
			n, err := indexer.IndexUsers(f.ctx, 3)
			f.ok(err)
			if n < 3 {
				break
			}
		}
	}
}
