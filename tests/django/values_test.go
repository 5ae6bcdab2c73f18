package django_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// values are those of values.py, by their names.
type values struct{ Shown, Withheld, Unwritable []string }

// described returns what Django's session holds except for some keys, key by key and as a whole,
// with the types of all values and which of them are the same object.
func (d *driver) described(t *testing.T, key string, without ...string) (v map[string]string) {
	t.Helper()
	d.call(t, "read_python", args{"key": key, "without": append([]string{}, without...)}, &v)
	return v
}

// set writes a value under another key of a session.
func set(t *testing.T, s session.Store, key, name, value string) error {
	t.Helper()
	_, err := s.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
		patch := fmt.Sprintf(`{%q:%s}`, name, value)
		v.Data, v.Origin = []byte(rawjson.MergePatch(string(v.Data), patch)), v.Origin.Patched(patch)
		return v, nil
	})
	return err
}

// TestTypes checks that each type is shown as DjangoJSONEncoder shows it, or withheld, and is
// unchanged in Django after a write of another key, in every protocol.
func TestTypes(t *testing.T) { each(t, caches[1:], testTypes) }

func testTypes(t *testing.T, d *driver) {
	s := d.open(t)
	var all values
	d.call(t, "value_names", args{}, &all)
	if len(all.Shown) < 30 || len(all.Withheld) < 30 {
		t.Fatalf("got %d types that are shown and %d that are not", len(all.Shown), len(all.Withheld))
	}
	written := 0
	for protocol := range 6 {
		for _, name := range slices.Concat(all.Shown, all.Withheld, all.Unwritable) {
			var theirs *stored
			d.call(t, "create_value", args{"name": name, "protocol": protocol}, &theirs)
			if theirs == nil || theirs.Key == "" {
				continue // Python cannot pickle it in this protocol
			}
			what := fmt.Sprintf("%s in protocol %d", name, protocol)
			ours, err := s.Load(t.Context(), theirs.Key)
			if err != nil || string(ours.Data) != theirs.Text {
				t.Errorf("%s: got %.300s, %v, want %.300s", what, ours.Data, err, theirs.Text)
				continue
			}
			if got, want := strings.Contains(theirs.Text, `"value":`), slices.Contains(all.Shown, name); got != want {
				t.Errorf("%s: shown is %v: %s", what, got, theirs.Text)
			}
			if session.UserOf(ours.Data) != "7" {
				t.Errorf("%s: the user is not read", what)
			}
			before := d.described(t, theirs.Key)
			err = set(t, s, theirs.Key, "ours", "[1]")
			if slices.Contains(all.Unwritable, name) && !(name == "frozen loop" && protocol >= 4) {
				if !errors.Is(err, session.ErrUnwritable) {
					t.Errorf("%s: got %v, want %v", what, err, session.ErrUnwritable)
				}
			} else if err != nil {
				t.Errorf("%s: got %v, want none", what, err)
				continue
			} else {
				written++
				before["ours"] = "builtins.list(builtins.int=0x1)"
			}
			if after := d.described(t, theirs.Key); !maps.Equal(after, before) {
				t.Errorf("%s: got %.700s, want %.700s", what, after, before)
			}
		}
	}
	if least := 6*(len(all.Shown)+len(all.Withheld)) - 40; written < least {
		t.Errorf("wrote %d sessions, want %d at least", written, least)
	}
}

// TestPythonsValues checks the same for random values, objects in and beside one another.
func TestPythonsValues(t *testing.T) { each(t, caches, testPythonsValues) }

func testPythonsValues(t *testing.T, d *driver) {
	r, s := newRand(t), d.open(t)
	refused := 0
	for range cases {
		seed := r.Uint32()
		var theirs stored
		d.call(t, "create_python", args{"seed": seed}, &theirs)
		if theirs.Key == "" {
			continue // Python cannot pickle it
		}
		ours, err := s.Load(t.Context(), theirs.Key)
		if err != nil {
			t.Fatalf("seed %d: got %v, want none", seed, err)
		}
		d.same(t, ours, theirs)
		before := d.described(t, theirs.Key)
		for i := range 3 {
			if err := set(t, s, theirs.Key, "ours", fmt.Sprint(i)); err != nil {
				t.Fatalf("seed %d: got %v, want none", seed, err)
			}
		}
		before["ours"] = "builtins.int=0x2"
		if after := d.described(t, theirs.Key); !maps.Equal(after, before) {
			t.Errorf("seed %d: got %.700s, want %.700s", seed, after, before)
		}
		// Without the first of values that hold one another, they would be made in another order:
		// the write must fail if code could see that.
		for _, name := range []string{"0", "2"} {
			before = d.described(t, theirs.Key, name)
			if err := set(t, s, theirs.Key, name, "null"); errors.Is(err, session.ErrUnwritable) {
				refused++
				before = d.described(t, theirs.Key)
			} else if err != nil {
				t.Fatalf("seed %d, without %s: got %v, want none", seed, name, err)
			}
			if after := d.described(t, theirs.Key); !maps.Equal(after, before) {
				t.Errorf("seed %d, without %s: got %.700s, want %.700s", seed, name, after, before)
			}
		}
	}
	if refused > 2*cases/5 {
		t.Errorf("%d of %d removals are refused", refused, 2*cases)
	}
}
