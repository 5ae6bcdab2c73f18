package session_test

import (
	"strings"
	"testing"

	"cloakroom/session"
)

func TestSigned(t *testing.T) {
	id := session.SignedID("cookie")
	for _, want := range []session.Signed{{id, 0, ""}, {id, 1800000000, "42"}, {id, 5, "a user with spaces "}, {id, 5, "süß"}} {
		if got, ok := session.ParseSigned(want.String()); !ok || got != want {
			t.Errorf("%q: got %v, %v", want.String(), got, ok)
		}
	}
	for _, text := range []string{"", id, id + " 1", id + " x 1", id + " -1 1", id + "  1", " 1 1", strings.ToUpper(id) + " 1 1", id[1:] + " 1 1"} {
		if got, ok := session.ParseSigned(text); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
	keys := map[string]bool{id: true, session.SignedID("cookie2"): true, session.RevokedSession(id): true, session.RevokedUser(id): true}
	for key := range keys {
		if len(keys) != 4 || !session.ValidKey(key) {
			t.Errorf("%v are not four different keys", keys)
		}
	}
}

func TestIsRevocation(t *testing.T) {
	for data, want := range map[string]bool{
		`{"_cloakroom_revoked":5}`:       true,
		`{"a":1,"_cloakroom_revoked":5}`: true,
		`{"a":"_cloakroom_revoked"}`:     false,
		`{}`:                             false,
		`{"_cloakroom_revoked"`:          true, // a doubt is a refusal
	} {
		if got := session.IsRevocation([]byte(data)); got != want {
			t.Errorf("%s: got %v", data, got)
		}
	}
}
