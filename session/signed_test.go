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
	keys := map[string]bool{session.RevokedSession(id): true, session.RevokedUser(id): true, session.RevokedUser(""): true, session.PredecessorOf(id): true, session.SuccessorsOf(id): true}
	if len(keys) != 5 {
		t.Errorf("%v are not five different keys", keys)
	}
	for key := range keys {
		if session.ValidKey(key) {
			t.Errorf("%s could be a session's", key)
		}
	}
}

func TestIsRevocation(t *testing.T) {
	for data, want := range map[string]int64{
		`{"_cloakroom_revoked":5}`:       5,
		`{"a":1,"_cloakroom_revoked":7}`: 7,
		`{"a":"_cloakroom_revoked"}`:     -1,
		`{"a":"\"_cloakroom_revoked\""}`: -1,
		`{}`:                             -1,
		`{"_cloakroom_revoked"`:          -1,
	} {
		until, is := session.IsRevocation([]byte(data))
		if is != (want >= 0) || is && until != want {
			t.Errorf("%s: got %d, %v", data, until, is)
		}
	}
}
