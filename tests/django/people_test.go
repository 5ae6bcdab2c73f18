package django_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"cloakroom/session"
	"cloakroom/store"
)

// withAccounts returns an engine whose database has Django's accounts as well.
func withAccounts(e engine) engine {
	inner := e.new
	e.new = func(t *testing.T) (string, map[string]any) {
		url, settings := inner(t)
		settings["INSTALLED_APPS"] = []string{"django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"}
		return url, settings
	}
	return e
}

// TestPeople holds that users' attributes are what Django says, for users with groups and
// permissions drawn at random, some inactive and some superusers.
func TestPeople(t *testing.T) {
	const people = 300
	for _, e := range databases {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, usual, withAccounts(e))
			d.migrate(t)
			var wanted []map[string]any
			d.call(t, "people_made", args{"seed": 1, "count": people}, &wanted)
			found, closeAll, err := store.OpenUsers(t.Context(), d.url, session.DjangoUsers("auth_user"))
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll()
			users := found.(session.AttributedUsers)
			if len(wanted) != people {
				t.Fatalf("Django made %d users, want %d", len(wanted), people)
			}
			for _, want := range wanted {
				checkAttributes(t, users, want)
			}
			lacking, err := users.Lacking(t.Context(), []string{"email", "tenant_id", "password", "PASSWORD", "Email", "groups", "permissions"})
			if want := []string{"tenant_id", "password", "PASSWORD", "Email"}; err != nil || !slices.Equal(lacking, want) {
				t.Errorf("lacking %q, %v; want %q", lacking, err, want)
			}
		})
	}
}

func checkAttributes(t *testing.T, users session.AttributedUsers, want map[string]any) {
	t.Helper()
	id := want["id"].(string)
	names := slices.Sorted(maps.Keys(want))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "id" })
	_, attributes, err := users.UserWith(t.Context(), id, names)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range attributes {
		var got any
		if err := json.Unmarshal([]byte(a.Value), &got); err != nil || a.Name != names[i] || !reflect.DeepEqual(got, want[a.Name]) {
			t.Errorf("user %s: %+v (%v), want %s %q", id, a, err, names[i], want[names[i]])
		}
	}
}
