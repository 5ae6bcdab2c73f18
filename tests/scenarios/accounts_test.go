package scenarios

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// account is a row of Django's table of users, with the user's groups, by name, and the codenames
// of the user's own permissions and of those of each group.
type account struct {
	Username  string
	Email     string
	FirstName string `yaml:"first_name"`
	LastName  string `yaml:"last_name"`
	Staff     bool
	Superuser bool
	Groups    map[string][]string
	Own       []string
}

// tables are those of django.contrib.auth and contenttypes, as Django makes them in SQLite, with
// one more column of users.
const tables = `
CREATE TABLE auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL, is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE, last_name varchar(150) NOT NULL DEFAULT '', email varchar(254) NOT NULL, is_staff bool NOT NULL, is_active bool NOT NULL, first_name varchar(150) NOT NULL, tenant_id integer NULL);
CREATE TABLE auth_group (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(150) NOT NULL UNIQUE);
CREATE TABLE django_content_type (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL);
CREATE TABLE auth_permission (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, content_type_id integer NOT NULL REFERENCES django_content_type (id), codename varchar(100) NOT NULL UNIQUE, name varchar(255) NOT NULL DEFAULT '');
CREATE TABLE auth_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL, group_id integer NOT NULL);
CREATE TABLE auth_user_user_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL, permission_id integer NOT NULL);
CREATE TABLE auth_group_permissions (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, group_id integer NOT NULL, permission_id integer NOT NULL);
INSERT INTO django_content_type VALUES (1, 'polls', 'poll');
INSERT INTO auth_permission (content_type_id, codename) VALUES (1, 'add_poll'), (1, 'change_poll'), (1, 'view_poll');
`

// password is what every account has as the hash of its password.
const password = "pbkdf2$hash"

func hasher(t testing.TB) *django.AuthHasher {
	h, err := django.NewAuthHasher("secret")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// openAccounts makes the scenario's accounts; nil without any.
func openAccounts(t testing.TB, s *scenario) *service.Accounts {
	if len(s.Accounts) == 0 {
		return nil
	}
	file := filepath.Join(t.TempDir(), "db.sqlite3")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	run(tables)
	for id, a := range s.Accounts {
		run("INSERT INTO auth_user (id, password, username, email, first_name, last_name, is_staff, is_superuser, is_active, tenant_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, true, 12)",
			id, password, a.Username, a.Email, a.FirstName, a.LastName, a.Staff, a.Superuser)
		for _, codename := range a.Own {
			run("INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT ?, id FROM auth_permission WHERE codename = ?", id, codename)
		}
		for group, codenames := range a.Groups {
			run("INSERT OR IGNORE INTO auth_group (name) VALUES (?)", group)
			run("INSERT INTO auth_user_groups (user_id, group_id) SELECT ?, id FROM auth_group WHERE name = ?", id, group)
			for _, codename := range codenames {
				run("INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id FROM auth_group g, auth_permission p WHERE g.name = ? AND p.codename = ?", group, codename)
			}
		}
	}
	users, closeAll, err := store.OpenUsers(t.Context(), "sqlite://"+file, session.DjangoUsers("auth_user"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeAll() })
	return &service.Accounts{Users: users, Hasher: hasher(t)}
}

// marked returns a session's data as a login of Django's leaves it, where there are accounts.
func (s *scenario) marked(t testing.TB, data map[string]any) map[string]any {
	if len(s.Accounts) == 0 || data[session.UserKey] == nil {
		return data
	}
	return merge(data, map[string]any{session.BackendKey: service.DefaultAuthBackend, session.HashKey: hasher(t).Hash(password)})
}
