package session

import (
	"slices"
	"testing"
)

func TestPatched(t *testing.T) {
	o := &Origin{Text: "t", Withheld: []Withheld{{"a", "x"}, {"", "y"}, {"b", "z"}}}
	for patch, want := range map[string][]string{
		`{}`: nil, `{"a":1}`: nil, `{"c":null}`: nil, `{"":null}`: nil, `[]`: nil, `{"c":{"a":null}}`: nil,
		`{"a":null}`: {"a"}, `{"\u0061":null,"b":null,"c":1}`: {"a", "b"},
	} {
		got := o.Patched(patch)
		if !slices.Equal(got.Removed, want) {
			t.Errorf("%s: got %v removed, want %v", patch, got.Removed, want)
		}
		if same := (Session{Origin: o}).SameData(Session{Origin: got}); same != (want == nil) {
			t.Errorf("%s: same data is %v", patch, same)
		}
	}
	if twice := o.Patched(`{"a":null}`).Patched(`{"b":null,"a":null}`); !slices.Equal(twice.Removed, []string{"a", "b"}) || o.Removed != nil {
		t.Errorf("got %v, and %v of the first", twice.Removed, o.Removed)
	}
	if none := (*Origin)(nil); none.Patched(`{"a":null}`) != nil || none.Partial() || none.Withholds("a") {
		t.Error("no origin withholds something")
	}
}

func TestEssential(t *testing.T) {
	for key, want := range map[string]bool{
		UserKey: true, BackendKey: true, HashKey: true, ExpiryKey: true, NextKey: true, SignedKey: true,
		"": false, "cart": false, "_auth_user": false, "_cloakroom": false,
	} {
		if got := Essential(key); got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
}
