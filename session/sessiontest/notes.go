package sessiontest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"cloakroom/session"
)

// testNotes checks that notes are kept, merged and removed, and that no session's key refers to
// one.
func testNotes(f *fixture) {
	one, two := session.RevokedSession("1"), session.RevokedUser("süß\n")
	is := func(want ...session.Note) {
		f.Helper()
		got, err := f.store.Notes(f.ctx, two, "absent", one)
		f.ok(err)
		for i, n := range []session.Note{got[0], got[1], got[2]} {
			if n.Number != want[i].Number || n.Text != want[i].Text || !n.Expires.Equal(want[i].Expires) {
				f.Errorf("note %d: got %+v, want %+v", i, n, want[i])
			}
		}
	}
	at := func(d time.Duration) time.Time { return f.in(d).Truncate(time.Millisecond) }
	var none session.Note
	is(none, none, none)
	first := session.Note{Number: 1_800_000_000, Text: "a text with spaces, süß\n", Expires: at(time.Hour)}
	f.ok(f.store.SetNote(f.ctx, one, first))
	is(none, none, first)
	second := session.Note{Number: -5, Expires: at(time.Minute)}
	f.ok(f.store.SetNote(f.ctx, two, second))
	is(second, none, first)

	f.ok(f.store.SetNote(f.ctx, one, session.Note{Number: 7, Text: "earlier", Expires: at(time.Minute)}))
	first.Text += " earlier" // the number and the expiry stay
	is(second, none, first)
	f.ok(f.store.SetNote(f.ctx, one, session.Note{Number: 1_800_000_001, Text: "earlier", Expires: at(2 * time.Hour)}))
	first.Number, first.Expires = 1_800_000_001, at(2*time.Hour) // the text is contained already
	is(second, none, first)

	for _, key := range []string{one, two, one[len(one)-session.KeyLength:], "absent"} {
		f.ok(f.store.Delete(f.ctx, key))
		f.missing(key)
	}
	for v, err := range f.store.All(f.ctx) {
		f.Errorf("a note is among the sessions: %+v, %v", v, err)
	}
	is(second, none, first)

	f.clock.Advance(time.Minute)
	is(none, none, first)
	f.ok(f.store.SetNote(f.ctx, two, session.Note{Number: -9, Expires: at(time.Minute)}))
	second = session.Note{Number: -9, Expires: at(time.Minute)} // an expired note is not merged
	is(second, none, first)
	f.clock.Advance(time.Hour)
	for range 3 {
		_, err := f.store.ClearNotes(f.ctx, 1)
		f.ok(err)
	}
	is(none, none, first)
	if n, err := f.store.ClearNotes(f.ctx, 10); n != 0 || err != nil {
		f.Errorf("cleared %d notes after all were cleared, %v", n, err)
	}
}

// testNoteText checks that the last of several texts stay.
func testNoteText(f *fixture) {
	want := ""
	for range 20 {
		key := Key(f)
		f.ok(f.store.SetNote(f.ctx, "keys", session.Note{Text: key, Expires: f.in(time.Hour)}))
		want += " " + key
	}
	want = want[len(want)-session.MaxNoteText:]
	if got, err := f.store.Notes(f.ctx, "keys"); err != nil || got[0].Text != want {
		f.Errorf("got %q, %v, want the last keys, %q", got[0].Text, err, want)
	}
}

// testNoteRace checks that of notes that are set concurrently the largest number and all texts
// stay.
func testNoteRace(f *fixture) {
	const writers, each = 4, 8
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := f.store.SetNote(f.ctx, "race", session.Note{Number: int64(i*writers + w), Text: fmt.Sprintf("[%d.%d]", w, i), Expires: f.in(time.Hour)}); err != nil {
					f.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, err := f.store.Notes(f.ctx, "race"); err != nil || got[0].Number != writers*each-1 {
		f.Errorf("got %+v, %v, want the number %d", got, err, writers*each-1)
	} else if n := strings.Count(got[0].Text, "["); n != writers*each {
		f.Errorf("got %d texts, want %d: %s", n, writers*each, got[0].Text)
	}
}

// testMoveRevocations checks that the revocations that earlier builds stored as sessions become
// notes, once.
func testMoveRevocations(f *fixture) {
	key := session.RevokedUser("7")
	old := key[len(key)-session.KeyLength:]
	ends := f.in(time.Hour)
	f.ok(f.store.Create(f.ctx, session.Session{Key: old, Data: []byte(`{"_cloakroom_revoked":1700000000}`), Expires: ends}))
	other := f.create(`{"a":"_cloakroom_revoked"}`)
	read := 0
	for range 2 {
		f.ok(session.MoveRevocations(f.ctx, f.store, func(n int) { read = max(read, n) }))
		if read != 2 {
			f.Fatalf("read %d sessions, want 2", read)
		}
		read = 2
	}
	f.missing(old)
	f.holds(other, `{"a":"_cloakroom_revoked"}`, ends)
	notes, err := f.store.Notes(f.ctx, key)
	f.ok(err)
	if notes[0].Number != 1700000000 || !notes[0].Expires.Equal(ends.Truncate(time.Millisecond)) {
		f.Errorf("got %+v", notes[0])
	}
}
