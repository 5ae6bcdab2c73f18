package django_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
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

// TestPeopleBounds holds that what is over a bound is omitted, and that a column that goes is
// unknown, and no outage.
func TestPeopleBounds(t *testing.T) {
	for _, e := range databases {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, usual, withAccounts(e))
			d.migrate(t)
			var id string
			many := func(groups int, statements ...string) {
				d.call(t, "people_many", args{"groups": groups, "statements": statements}, &id)
			}
			many(session.MaxAttributeNames, "ALTER TABLE auth_user ADD COLUMN tenant_id integer", "ALTER TABLE auth_user ADD COLUMN note text",
				fmt.Sprintf("UPDATE auth_user SET tenant_id = 12, note = '%s'", strings.Repeat("x", session.MaxAttributeBytes)))
			found, closeAll, err := store.OpenUsers(t.Context(), d.url, session.DjangoUsers("auth_user"))
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll()
			users := found.(session.AttributedUsers)
			look := func(name string) session.Attribute {
				t.Helper()
				user, attributes, err := users.UserWith(t.Context(), id, []string{"tenant_id", "username", name})
				if err != nil || user.ID != id || len(attributes) != 3 || attributes[1].Value != `"many"` {
					t.Fatalf("%s: got %v, %v, %v", name, user, attributes, err)
				}
				if name == "tenant_id" {
					return attributes[0]
				}
				return attributes[2]
			}
			if a := look("groups"); a.Omitted || strings.Count(a.Value, "group") != session.MaxAttributeNames {
				t.Errorf("%d groups: %.100v", session.MaxAttributeNames, a)
			}
			if a := look("note"); a.Omitted || len(a.Value) != session.MaxAttributeBytes+2 {
				t.Errorf("a text of %d bytes: %.100v", session.MaxAttributeBytes, a)
			}
			many(0, "UPDATE auth_user SET note = note || 'x'", "INSERT INTO auth_group (name) VALUES ('one more')",
				"INSERT INTO auth_user_groups (user_id, group_id) SELECT "+id+", id FROM auth_group WHERE name = 'one more'")
			for _, name := range []string{"groups", "note"} {
				if a := look(name); a != (session.Attribute{Name: name, Omitted: true}) {
					t.Errorf("%s over its bound: %.100v", name, a)
				}
			}
			if a := look("last_name"); a.Value != `""` {
				t.Errorf("last_name: %v", a)
			}
			if a := look("is_active"); a.Value != "true" {
				t.Errorf("is_active: %v", a)
			}
			many(0, "ALTER TABLE auth_user DROP COLUMN note", "DROP TABLE auth_user_groups")
			for _, name := range []string{"note", "groups", "permissions", "absent"} {
				if a := look(name); a != (session.Attribute{Name: name, Unknown: true}) {
					t.Errorf("%s, which is gone: %v", name, a)
				}
			}
			if _, _, err := users.UserWith(t.Context(), "99999", []string{"username"}); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("no such user: %v", err)
			}
		})
	}
}

// TestPeopleOfAnotherModel holds that tables and columns of other names are read, and that without
// the relations' tables there are no groups and permissions.
func TestPeopleOfAnotherModel(t *testing.T) {
	for _, e := range databases {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, usual, withAccounts(e))
			d.migrate(t)
			var id string
			d.call(t, "people_many", args{"groups": 2, "statements": []string{
				"ALTER TABLE auth_user RENAME TO member", "ALTER TABLE auth_user_groups RENAME TO member_groups",
				"ALTER TABLE member_groups RENAME COLUMN user_id TO member_id", "ALTER TABLE auth_user_user_permissions RENAME TO member_perms",
				"ALTER TABLE member RENAME COLUMN is_active TO live",
			}}, &id)
			table := session.UserTable{Name: "member", ID: "id", Password: "password", Active: "live",
				Groups: session.Relation{Table: "member_groups", User: "member_id", Other: "group_id"}, Permissions: session.Relation{Table: "member_perms", User: "user_id", Other: "permission_id"}}
			for _, tt := range []struct {
				table   session.UserTable
				unknown bool
			}{{table, false}, {session.UserTable{Name: "member", ID: "id", Password: "password", Active: "live"}, true}} {
				found, closeAll, err := store.OpenUsers(t.Context(), d.url, tt.table)
				if err != nil {
					t.Fatal(err)
				}
				_, attributes, err := found.(session.AttributedUsers).UserWith(t.Context(), id, []string{"groups", "permissions"})
				want := []session.Attribute{{Name: "groups", Value: `["group0","group1"]`}, {Name: "permissions", Value: "[]"}}
				if tt.unknown {
					want = []session.Attribute{{Name: "groups", Unknown: true}, {Name: "permissions", Unknown: true}}
				}
				if err != nil || !slices.Equal(attributes, want) {
					t.Errorf("got %v, %v; want %v", attributes, err, want)
				}
				_ = closeAll()
			}
		})
	}
}
