package filter

import (
	"slices"
	"strings"
	"testing"

	"cloakroom/session"
)

// TestFilterState holds that filter state is of a user's session alone, in printable ASCII, up to
// its bound, and of the key that the session has now.
func TestFilterState(t *testing.T) {
	const other = "vutsrqponmlkjihgfedcba9876543210"
	route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"mode":"optional","identity":{"headers":{},"data_max_bytes":16,"filter_state":["user","session","name"]}}`)
	for name, tt := range map[string]struct {
		answer string
		want   []Edit
	}{
		"a user's":          {`"data":{"_auth_user_id":"7"},"user":{"name":"Zoë\r\n"}`, []Edit{{State, "cloakroom.user", "7"}, {State, "cloakroom.name", "Zo%C3%AB%0D%0A"}, {State, "cloakroom.session", session.ID(goodKey)}}},
		"at the bound":      {`"data":{"_auth_user_id":7},"user":{"name":"` + strings.Repeat("x", 16) + `"}`, []Edit{{State, "cloakroom.user", "7"}, {State, "cloakroom.name", strings.Repeat("x", 16)}, {State, "cloakroom.session", session.ID(goodKey)}}},
		"over the bound":    {`"data":{"_auth_user_id":"7"},"user":{"name":"` + strings.Repeat("x", 17) + `"}`, []Edit{{State, "cloakroom.user", "7"}, {State, "cloakroom.session", session.ID(goodKey)}, {Set, "x-session-omitted", `["user.name"]`}}},
		"of another key":    {`"key":"` + other + `","data":{"_auth_user_id":"7"}`, []Edit{{State, "cloakroom.user", "7"}, {State, "cloakroom.session", session.ID(other)}}},
		"no user's":         {`"data":{"user.name":"root","name":"root"},"user":{"name":"root"}`, nil},
		"of a null as user": {`"data":{"_auth_user_id":null},"user":{"name":"root"}`, nil},
	} {
		s := &Stream{}
		h := Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + goodKey}, {"cloakroom.user", "1"}}
		ask(s, h, route)
		action := answered(s, Answer{"200", `{"state":"live","expires":2000000000,` + tt.answer + `}`}, h)
		var got []Edit
		for _, e := range action.Edits {
			if e.Name != "cookie" {
				got = append(got, e)
			}
		}
		byName := func(a, b Edit) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(got, byName)
		slices.SortFunc(tt.want, byName)
		if action.Verdict != Continue || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v %v, want %v", name, action.Verdict, got, tt.want)
		}
	}
}

// TestSizeOfEdits holds that the cache counts what a preset makes of a user: a header each, in an
// encoding that triples some text.
func TestSizeOfEdits(t *testing.T) {
	route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"identity":{"preset":"oauth2-proxy","filter_state":["groups"]}}`)
	groups := strings.Repeat("ë", 600) // 3,600 bytes in a header
	r := ParseAnswer(Answer{"200", `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"7"},"user":{"groups":["` + groups + `"]}}`}, route)
	kept := len(r.text) + len(r.attributes)
	for _, e := range r.authz.edits {
		kept += len(e.Value)
	}
	if got := r.Size(); len(r.authz.edits) != 5 || kept < 3*3600 || got < kept || got > 2*kept {
		t.Errorf("with %d edits %d bytes are kept, and counted as %d", len(r.authz.edits), kept, got)
	}
}
