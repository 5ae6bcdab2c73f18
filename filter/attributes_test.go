package filter

import (
	"slices"
	"strings"
	"testing"
)

func TestEncodedText(t *testing.T) {
	for _, tt := range []struct {
		raw, want string
		cut       bool
	}{
		{``, "", false},
		{`null`, "", false},
		{`""`, "", false},
		{`[]`, "", false},
		{`true`, "true", false},
		{`12.50`, "12.50", false},
		{`{"n": "ë"}`, `{"n":"\u00eb"}`, false},
		{`"Zo\u00eb, 100 %"`, "Zo%C3%AB, 100 %25", false},
		{`" a b "`, "%20a b%20", false},
		{`"a\r\nx-admin: 1\u0000\u007f"`, "a%0D%0Ax-admin: 1%00%7F", false},
		{`["a,b","c"," d","新\n"]`, "a%2Cb,c,%20d,%E6%96%B0%0A", false},
		{`"` + strings.Repeat("x", 64) + `"`, strings.Repeat("x", 64), false},
		{`"` + strings.Repeat("x", 65) + `"`, "", true},
		{`"` + strings.Repeat("ë", 11) + `"`, "", true},
	} {
		got, fits := encodedText(tt.raw, 64)
		if fits == tt.cut || (fits && got != tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.raw, got, fits, tt.want)
		}
	}
}

// TestAttributesOfOthers holds that no attributes are there of a session that is no user's, of one
// that another backend logged in, and where only the session's data has such a key.
func TestAttributesOfOthers(t *testing.T) {
	route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"mode":"optional",
		"identity":{"auth_backends":["b"],"headers":{"x-user-name":"user.username","x-forged":"user.email"},"data_keys":["*","user.username"]}}`)
	const user = `,"user":{"username":"alice"},"user_omitted":["username"]}`
	for name, tt := range map[string]struct {
		answer string
		want   []Edit
	}{
		"a user's": {`{"_auth_user_id":"7","_auth_user_backend":"b","user.email":"x","user.username":"root"}` + user,
			[]Edit{{Set, "x-user-name", "alice"}, {Set, "x-session", `{"user.username":"alice"}`}, {Set, "x-session-omitted", `["user.username"]`}}},
		"of another backend": {`{"_auth_user_id":"7","_auth_user_backend":"left","user.username":"root"}` + user, []Edit{{Set, "x-session", "{}"}}},
		"nobody's":           {`{"user.username":"root"}` + user, []Edit{{Set, "x-session", "{}"}}},
	} {
		r := ParseAnswer(Answer{"200", `{"state":"live","expires":2000000000,"data":` + tt.answer}, route)
		authz, err := r.authorize(route)
		if err != nil || !slices.Equal(authz.edits, tt.want) {
			t.Errorf("%s: got %v, %v; want %v", name, authz, err, tt.want)
		}
	}
}

func TestListRequirements(t *testing.T) {
	for requirement, want := range map[string][3]bool{ // of ["a","b"], of ["a"], of none
		`{"any":["a","c"]}`: {true, true, false},
		`{"any":["b","c"]}`: {true, false, false},
		`{"any":["c"]}`:     {false, false, false},
		`{"all":["a"]}`:     {true, true, false},
		`{"all":["a","b"]}`: {true, false, false},
		`{"all":["a","c"]}`: {false, false, false},
	} {
		route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"require":{"user.groups":`+requirement+`}}`)
		for i, user := range []string{`,"user":{"groups":["a","b"]}`, `,"user":{"groups":["a"]}`, ``} {
			r := ParseAnswer(Answer{"200", `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"7","user.groups":["a","b","c"]}` + user + `}`}, route)
			if authz, err := r.authorize(route); err != nil || authz.met != want[i] {
				t.Errorf("%s of %s: got %v, %v; want %v", requirement, user, authz, err, want[i])
			}
		}
	}
}
