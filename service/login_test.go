package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
)

// accounts are users by id. If broken is set, all lookups fail.
type accounts struct {
	users  map[string]session.User
	broken bool
}

func (a *accounts) User(_ context.Context, id string) (session.User, error) {
	user, ok := a.users[id]
	switch {
	case a.broken:
		return user, fmt.Errorf("%w: database away", session.ErrUnavailable)
	case !ok:
		return user, session.ErrNotFound
	}
	return user, nil
}

// withAccounts returns a fixture with the accounts 7 (active), 8 (inactive) and 9.
func withAccounts(t *testing.T) (*fixture, *accounts, *django.AuthHasher) {
	f := start(t)
	a := &accounts{users: map[string]session.User{
		"7":  {ID: "7", Password: "pbkdf2$seven", Active: true},
		"07": {ID: "7", Password: "pbkdf2$seven", Active: true}, // as SQLite compares
		"8":  {ID: "8", Password: "pbkdf2$eight"},
		"9":  {ID: "9", Password: "pbkdf2$nine", Active: true},
	}}
	hasher, err := django.NewAuthHasher("secret", "old secret")
	if err != nil {
		t.Fatal(err)
	}
	f.handler, err = service.New(service.Config{
		Store: f.store, Token: token, Now: f.clock.Now, Random: f.random,
		Accounts: &service.Accounts{Users: a, Hasher: hasher},
		Log:      slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, a, hasher
}

func TestLogin(t *testing.T) {
	const backend = `,"_auth_user_backend":"django.contrib.auth.backends.ModelBackend"`
	_, _, hasher := withAccounts(t)
	marks := func(id, password string) string {
		return `"_auth_user_id":"` + id + `"` + backend + `,"_auth_user_hash":"` + hasher.Hash(password) + `"`
	}
	seven := marks("7", "pbkdf2$seven")
	for _, c := range []struct {
		name, before, body string // K is the session's key
		want               string // data under the new key; empty: refused
		drawn              int    // which key that is
	}{
		{"without a session", ``, `{"user":"7","age":60}`, `{` + seven + `}`, 0},
		{"an anonymous visitor's data stays", `{"cart":[1]}`, `{"key":"K","user":"7","age":60}`, `{"cart":[1],` + seven + `}`, 0},
		{"the user's own data stays", `{"_auth_user_id":"7","cart":[1]}`, `{"key":"K","user":"7","age":60}`, `{"_auth_user_id":"7","cart":[1]` + seven[len(`"_auth_user_id":"7"`):] + `}`, 0},
		{"another user's data goes", `{"_auth_user_id":"9","cart":[1]}`, `{"key":"K","user":"7","patch":{"x":1},"age":60}`, `{"x":1,` + seven + `}`, 0},
		{"a session that is gone", ``, `{"key":"K","user":"7","age":60}`, `{` + seven + `}`, 0},
		{"a key that is none", ``, `{"key":"../","user":"7","age":60}`, `{` + seven + `}`, 0},
		{"the id as the database writes it", ``, `{"user":"07","age":60}`, `{` + seven + `}`, 0},
		{"an inactive user", `{"cart":[1]}`, `{"key":"K","user":"8","age":60}`, ``, 0},
		{"an unknown user", `{"cart":[1]}`, `{"key":"K","user":"1","age":60}`, ``, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, _, _ := withAccounts(t)
			g.T = t
			if c.before != "" {
				g.create(k, c.before)
			}
			status, got := g.do("POST", "/v1/login", strings.ReplaceAll(c.body, "K", k))
			if c.want == "" {
				if status != 200 || got != none || g.stored(k) != c.before+" until 1800003600" {
					t.Errorf("got %d %s, stored %s", status, got, g.stored(k))
				}
				return
			}
			if want := `{"state":"live","key":"` + drawn(c.drawn) + `","expires":1800000060,"data":` + c.want + `}`; status != 200 || got != want {
				t.Errorf("got %d %s, want %s", status, got, want)
			}
			if g.stored(drawn(c.drawn)) != c.want+" until 1800000060" || g.stored(k) != session.ErrNotFound.Error() {
				t.Errorf("stored %s under the new key, %s under the old", g.stored(drawn(c.drawn)), g.stored(k))
			}
		})
	}
}

func TestLoginRefused(t *testing.T) {
	f, a, _ := withAccounts(t)
	f.create(k, `{"cart":1}`)
	for _, body := range []string{`{"age":60}`, `{"user":7,"age":60}`, `{"user":"7"}`, `{"user":"7","patch":[],"age":60}`,
		`{"user":"7","patch":{"_auth_user_id":"9"},"age":60}`, `{"user":"7","patch":{"_cloakroom_seen":9},"age":60}`} {
		if status, got := f.do("POST", "/v1/login", body); status != 400 {
			t.Errorf("%s: got %d %s", body, status, got)
		}
	}
	a.broken = true
	if status, got := f.do("POST", "/v1/login", `{"key":"`+k+`","user":"7","age":60}`); status != 503 {
		t.Errorf("accounts unavailable: got %d %s", status, got)
	}
	if f.stored(k) != `{"cart":1} until 1800003600` {
		t.Errorf("stored %s", f.stored(k))
	}
}

// TestLoginUnchecked checks that a login without accounts writes no hash and removes an old one.
func TestLoginUnchecked(t *testing.T) {
	f := start(t)
	f.create(k, `{"_auth_user_hash":"old","_auth_user_id":"7"}`)
	f.do("POST", "/v1/login", `{"key":"`+k+`","user":"7","age":60}`)
	want := `{"_auth_user_id":"7","_auth_user_backend":"` + service.DefaultAuthBackend + `"} until 1800000060`
	if got := f.stored(drawn(0)); got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

func TestLookupChecksTheAccount(t *testing.T) {
	_, _, hasher := withAccounts(t)
	old, err := django.NewAuthHasher("old secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, user, hash, backend string
		live                      bool
		reason                    string // in the log
	}{
		{"no user", "", "", "", true, ""},
		{"the password's hash", "7", hasher.Hash("pbkdf2$seven"), service.DefaultAuthBackend, true, ""},
		{"a fallback key's hash", "7", old.Hash("pbkdf2$seven"), service.DefaultAuthBackend, true, ""},
		{"an older password's", "7", hasher.Hash("pbkdf2$before"), service.DefaultAuthBackend, false, "get_session_auth_hash"},
		{"another user's", "9", hasher.Hash("pbkdf2$seven"), service.DefaultAuthBackend, false, "get_session_auth_hash"},
		{"no hash", "7", "", service.DefaultAuthBackend, false, "get_session_auth_hash"},
		{"an inactive user", "8", hasher.Hash("pbkdf2$eight"), service.DefaultAuthBackend, false, ""},
		{"an unknown user", "1", hasher.Hash(""), service.DefaultAuthBackend, false, ""},
		{"another backend's login", "7", hasher.Hash("pbkdf2$seven"), "left.the.Settings", false, "left.the.Settings"},
		{"no backend", "7", hasher.Hash("pbkdf2$seven"), "", false, "AUTHENTICATION_BACKENDS"},
		{"an id that is written otherwise", "07", hasher.Hash("pbkdf2$seven"), service.DefaultAuthBackend, false, "as the database writes it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, a, _ := withAccounts(t)
			data := map[string]string{"x": "1"}
			for name, value := range map[string]string{"_auth_user_id": c.user, "_auth_user_hash": c.hash, "_auth_user_backend": c.backend} {
				if value != "" {
					data[name] = value
				}
			}
			text, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			f.create(k, string(text))
			status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`)
			if status != 200 || (got != none) != c.live {
				t.Errorf("got %d %s, want live: %v", status, got, c.live)
			}
			if !strings.HasPrefix(f.stored(k), "{") {
				t.Error("the session was deleted, which could be the service's own mistake")
			}
			if log := f.log.String(); (log == "") != (c.reason == "") || !strings.Contains(log, c.reason) {
				t.Errorf("the log has %q, want %q in it", log, c.reason)
			}
			a.broken = true
			status, _ = f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`)
			if want := map[bool]int{true: 503, false: 200}[c.user != "" && c.backend == service.DefaultAuthBackend]; status != want {
				t.Errorf("accounts unavailable: got %d, want %d", status, want)
			}
		})
	}
}

// TestAuthBackends checks that logins use the first of the backends, and that sessions of all are
// admitted.
func TestAuthBackends(t *testing.T) {
	f, a, hasher := withAccounts(t)
	var err error
	f.handler, err = service.New(service.Config{
		Store: f.store, Token: token, Now: f.clock.Now, Random: f.random,
		Accounts: &service.Accounts{Users: a, Hasher: hasher, Backends: []string{"one.Backend", "two.Backend"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, got := f.do("POST", "/v1/login", `{"user":"7","age":60}`); !strings.Contains(got, `"_auth_user_backend":"one.Backend"`) {
		t.Errorf("a login: got %s", got)
	}
	for backend, live := range map[string]bool{"one.Backend": true, "two.Backend": true, service.DefaultAuthBackend: false} {
		f.create(k, `{"_auth_user_id":"7","_auth_user_backend":"`+backend+`","_auth_user_hash":"`+hasher.Hash("pbkdf2$seven")+`"}`)
		if _, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`); (got != none) != live {
			t.Errorf("%s: got %s, want live: %v", backend, got, live)
		}
		f.do("POST", "/v1/flush", `{"key":"`+k+`"}`)
	}
}

// TestAccountsAway checks that an outage of the accounts is logged, without the hash.
func TestAccountsAway(t *testing.T) {
	f, a, hasher := withAccounts(t)
	hash := hasher.Hash("pbkdf2$seven")
	f.create(k, `{"_auth_user_hash":"`+hash+`","_auth_user_id":"7","_auth_user_backend":"`+service.DefaultAuthBackend+`"}`)
	a.broken = true
	f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`)
	for _, secret := range []string{hash, k, "pbkdf2"} {
		if bytes.Contains(f.log.Bytes(), []byte(secret)) {
			t.Errorf("the log holds %q: %s", secret, &f.log)
		}
	}
	if !strings.Contains(f.log.String(), "accounts") {
		t.Errorf("the log does not name what is unavailable: %s", &f.log)
	}
	f.clock.Advance(time.Minute)
	a.broken = false
	if _, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`); got == none {
		t.Errorf("the outage ended the session")
	}
}

func TestAuthHasherNeedsKeys(t *testing.T) {
	if _, err := django.NewAuthHasher("x", ""); !errors.Is(err, django.ErrNoKey) {
		t.Errorf("an empty fallback: %v", err)
	}
}

// TestLoginTellsOfAnEndedSession checks that a login publishes the end of the client's previous
// session, also where it ended elsewhere and filters got no event.
func TestLoginTellsOfAnEndedSession(t *testing.T) {
	f := start(t)
	before := f.page("")
	f.call("/v1/login", fmt.Sprintf(`{"key":%q,"user":"7","age":60}`, drawn(20)), drawn(0))
	if page := f.page(before.Cursor); !slices.Equal(page.Events, []string{session.SessionEvent(drawn(20))}) {
		t.Errorf("the events are %q, want that of the key before", page.Events)
	}
}

// TestLoginAgainTellsOfTheKeyBefore checks that a login that is repeated, as its response was
// lost, publishes the end of the previous key: the first login may have failed to.
func TestLoginAgainTellsOfTheKeyBefore(t *testing.T) {
	f := start(t)
	f.create(k, `{"a":1}`)
	login := fmt.Sprintf(`{"key":%q,"user":"7","age":60}`, k)
	f.call("/v1/login", login, drawn(0))
	// A login that did not come to its end has noted a key, too.
	if err := f.store.SetNote(t.Context(), session.LoginOf(k), session.Note{Text: drawn(9), Expires: f.clock.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	before := f.page("")
	f.call("/v1/login", login, drawn(0))
	if page := f.page(before.Cursor); !slices.Contains(page.Events, session.SessionEvent(k)) {
		t.Errorf("the events are %q, want that of the key before among them", page.Events)
	}
}

// page reads a page of the feed, without waiting.
func (f *fixture) page(after string) session.FeedPage {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	page, err := f.feed.Read(ctx, after)
	if err != nil {
		f.Fatal(err)
	}
	return page
}
