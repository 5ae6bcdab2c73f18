package service_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cloakroom/session"
)

// TestRevokeSigned checks the revocation of sessions that are kept in their cookies.
func TestRevokeSigned(t *testing.T) {
	const (
		id, other = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
		month     = 30 * 24 * 3600
	)
	f := start(t)
	now := f.clock.Now().Unix()
	verify := func(id string, since int64, user string) string {
		t.Helper()
		status, got := f.do("POST", "/v1/verify", fmt.Sprintf(`{"signed":"%s %d %s","expires":%d}`, id, since, user, f.clock.Now().Unix()+100))
		if status != 200 {
			t.Fatalf("%d %s", status, got)
		}
		return got
	}
	isLive := func(id string, since int64, user string) string {
		data := fmt.Sprintf(`{"_auth_user_id":"%s","_cloakroom_signed":"%s %d %s"}`, user, id, since, user)
		if user == "" {
			data = fmt.Sprintf(`{"_cloakroom_signed":"%s %d "}`, id, since)
		}
		return fmt.Sprintf(`{"state":"live","expires":%d,"data":%s}`, f.clock.Now().Unix()+100, data)
	}
	flush := func(body string) {
		t.Helper()
		if status, got := f.do("POST", "/v1/flush", body); status != 200 || got != none {
			t.Fatalf("%s: got %d %s, want 200 %s", body, status, got, none)
		}
	}
	check := func(when, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s, want %s", when, got, want)
		}
	}

	check("before", verify(id, now-10, "42"), isLive(id, now-10, "42"))
	check("no user, before", verify(id, now-10, ""), isLive(id, now-10, ""))
	flush(fmt.Sprintf(`{"key":"%s","age":%d}`, id, month))
	check("revoked by its id", verify(id, now-10, "42"), none)
	check("revoked by its id, another user", verify(id, now+10, "43"), none)
	check("another", verify(other, now-10, "42"), isLive(other, now-10, "42"))

	flush(fmt.Sprintf(`{"user":"42","age":%d,"before":%d}`, month, now-100))
	check("begun before", verify(other, now-101, "42"), none)
	check("begun then", verify(other, now-100, "42"), none)
	check("begun after", verify(other, now-99, "42"), isLive(other, now-99, "42"))
	check("another user's", verify(other, now-101, "4"), isLive(other, now-101, "4"))

	flush(fmt.Sprintf(`{"user":"42","age":%d}`, month))
	check("all until now", verify(other, now, "42"), none)
	check("a later login", verify(other, now+1, "42"), isLive(other, now+1, "42"))
	flush(fmt.Sprintf(`{"user":"42","age":%d,"before":%d}`, month, now-100))
	check("an earlier revocation undoes no later one", verify(other, now, "42"), none)

	f.clock.Advance(month * time.Second)
	check("no cookie is so old", verify(id, now-10, "42"), isLive(id, now-10, "42"))
	flush(fmt.Sprintf(`{"key":"%s","age":%d}`, id, month))
	check("revoked again", verify(id, now-10, "42"), none)

	if status, got := f.do("POST", "/v1/verify", fmt.Sprintf(`{"signed":"%s %d 42","expires":%d}`, other, now, f.clock.Now().Unix())); got != none {
		t.Errorf("ended by itself: got %d %s", status, got)
	}
	for _, key := range []string{session.RevokedSession(id), session.RevokedUser("42")} {
		if status, got := f.do("POST", "/v1/lookup", `{"key":"`+key+`"}`); got != none {
			t.Errorf("a revocation is a session: got %d %s", status, got)
		}
		if status, got := f.do("POST", "/v1/update", `{"key":"`+key+`","patch":{"a":1},"age":60}`); got != none {
			t.Errorf("a revocation can be written: got %d %s", status, got)
		}
	}
}

// TestRevokeTells checks that revocations are published to filters.
func TestRevokeTells(t *testing.T) {
	f := start(t)
	page, err := f.feed.Read(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for body, event := range map[string]string{
		`{"key":"` + k + `","age":60}`:         session.SessionEvent(k),
		`{"user":"42","age":60}`:               session.UserEvent("42"),
		`{"user":"43","age":60,"before":1000}`: session.UserEvent("43"),
	} {
		if status, got := f.do("POST", "/v1/flush", body); status != 200 {
			t.Errorf("%s: %d %s", body, status, got)
		}
		if page, err = f.feed.Read(t.Context(), page.Cursor); err != nil || page.Gap || !slices.Equal(page.Events, []string{event}) {
			t.Errorf("%s: the feed has %v, %v; want %s", body, page, err, event)
		}
	}
}
