package fromdjango

import (
	"fmt"
	"slices"
	"strings"

	"cloakroom/service"
	"cloakroom/session"
)

// users is the model of accounts.
type users struct {
	Model, Table string
	// Columns are those of the primary key, password and is_active; "" for a missing one.
	Columns []string
	// Groups and Permissions are the tables of the users' groups and permissions, and their columns
	// of users' ids and of the others'; empty where there are none.
	Groups, Permissions []string
	// Inherited are the fields that are in another model's table.
	Inherited []string
	// Active is the type of is_active's field, or, without one, the class's value as Python writes
	// it.
	Active string
	// Key is the type of the primary key's field.
	Key      string
	Database database
	// OwnHash is a method of the project that computes session hashes.
	OwnHash string `json:"own_hash"`
	// OwnManager is a method of the project that selects accounts.
	OwnManager string `json:"own_manager"`
	Backends   []authBackend
}

// authBackend is one of AUTHENTICATION_BACKENDS.
type authBackend struct {
	Path string
	// Inactive reports that it admits inactive users.
	Inactive bool
	// Undecided is the exception that it raised for an inactive user.
	Undecided string
	// OwnGetUser is a method of the project that looks up a session's user.
	OwnGetUser string `json:"own_get_user"`
	// OwnPermissions is the method of its own that returns permissions.
	OwnPermissions string `json:"own_permissions"`
}

// keyFields are the types of primary keys that Django writes into a session in the database's own
// text form.
var keyFields = []string{
	"AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField", "PositiveIntegerField",
	"PositiveBigIntegerField", "PositiveSmallIntegerField", "CharField", "TextField", "SlugField", "EmailField", "UUIDField",
}

// accounts returns the arguments that select the accounts.
func (t *translation) accounts(engine string) ([]string, error) {
	if len(t.AuthBackends) == 0 {
		return nil, fmt.Errorf("AUTHENTICATION_BACKENDS is empty: Django then admits no session as a user's")
	}
	if t.Users == nil {
		t.note("accounts are not checked: there is no user model (AUTH_USER_MODEL)")
		return []string{"--accounts", "off"}, nil
	}
	u := *t.Users
	where, err := t.databaseURL(u.Database)
	reason := u.unreadable()
	if err != nil {
		reason = err.Error()
	}
	if reason != "" {
		t.note("accounts are not checked, so that changed passwords and inactive users end no session at the proxy: %s", reason)
		t.Filter["identity"] = map[string]any{"auth_backends": t.AuthBackends}
		return []string{"--accounts", "off"}, nil
	}
	t.noteReplica(u.Database, "accounts")
	if u.OwnManager != "" {
		t.note("AUTH_USER_MODEL %s selects its accounts by %s: the session service reads the whole table %s", u.Model, u.OwnManager, u.Table)
	}
	var args []string
	if table := u.table(); table != "auth_user" {
		args = append(args, "--users", table)
	}
	if columns := u.columns(); columns != "id,password,is_active" {
		args = append(args, "--user-columns", columns)
	}
	args = append(args, t.relations(u)...)
	args = append(args, t.authBackends(u)...)
	if (engine == "db" || engine == "cached_db") && where == t.sessions {
		return args, nil
	}
	return append(args, "--accounts", where), nil
}

// relations returns the arguments that say where the users' groups and permissions are.
func (t *translation) relations(u users) (args []string) {
	django := session.DjangoUsers(u.table())
	for _, r := range []struct {
		flag  string
		parts []string
		auto  session.Relation
	}{{"--user-groups", u.Groups, django.Groups}, {"--user-permissions", u.Permissions, django.Permissions}} {
		value := "off"
		if len(r.parts) == 3 {
			value = unquoted(r.parts[0]) + "," + r.parts[1] + "," + r.parts[2]
		}
		switch {
		case strings.Count(value, ",") > 2:
			t.note("%s is left out: AUTH_USER_MODEL %s has the names %q, and commas separate them", r.flag, u.Model, r.parts)
			value = "off"
		case value == r.auto.Table+","+r.auto.User+","+r.auto.Other:
			continue // auto
		}
		if value != "off" || r.auto != (session.Relation{}) {
			args = append(args, r.flag, value)
		}
	}
	return args
}

// authBackends returns the arguments for AUTHENTICATION_BACKENDS.
func (t *translation) authBackends(u users) (args []string) {
	if !slices.Equal(t.AuthBackends, []string{service.DefaultAuthBackend}) {
		args = append(args, "--auth-backends", strings.Join(t.AuthBackends, ","))
	}
	var inactive []string
	for _, b := range u.Backends {
		if b.Inactive {
			inactive = append(inactive, b.Path)
		}
		if b.Undecided != "" {
			t.note("AUTHENTICATION_BACKENDS: %s.user_can_authenticate cannot decide about a user who is not active (%s), and such users are refused; name the backend in --inactive-backends if it admits them", b.Path, b.Undecided)
		}
		if b.OwnPermissions != "" {
			t.note("AUTHENTICATION_BACKENDS: %s has permissions by %s; user.permissions has those of Django's tables", b.Path, b.OwnPermissions)
		}
		if b.OwnGetUser != "" {
			t.note("AUTHENTICATION_BACKENDS: %s finds users by %s; the session service finds them by id in %s", b.Path, b.OwnGetUser, u.Table)
		}
	}
	if len(inactive) > 0 {
		args = append(args, "--inactive-backends", strings.Join(inactive, ","))
		t.note("AUTHENTICATION_BACKENDS: users who are not active are admitted with sessions of %s, as in Django", strings.Join(inactive, ", "))
	}
	return args
}

// unreadable returns the reason why the accounts cannot be checked, or "".
func (u users) unreadable() string {
	switch {
	case len(u.Inherited) > 0:
		return fmt.Sprintf("AUTH_USER_MODEL %s has %s in the table of the model that it inherits, and Cloakroom reads one table", u.Model, strings.Join(u.Inherited, " and "))
	case u.Columns[1] == "":
		return fmt.Sprintf("AUTH_USER_MODEL %s has no field named password", u.Model)
	case u.Active != "BooleanField" && u.Active != "True":
		return fmt.Sprintf("AUTH_USER_MODEL %s has an is_active that is no BooleanField (%s)", u.Model, u.Active)
	case strings.Contains(strings.Join(u.Columns, ""), ","):
		return fmt.Sprintf("AUTH_USER_MODEL %s has the columns %q, and --user-columns separates them by commas", u.Model, u.Columns)
	case !slices.Contains(keyFields, u.Key):
		return fmt.Sprintf("AUTH_USER_MODEL %s has a primary key of the type %s, whose text in sessions may differ from the database's", u.Model, u.Key)
	case u.OwnHash != "":
		return fmt.Sprintf("AUTH_USER_MODEL %s makes session hashes by %s, and every session would be refused by a mismatch; with Django's own get_session_auth_hash the accounts can be checked", u.Model, u.OwnHash)
	case u.Database.Vendor == "postgresql" && strings.Contains(u.Table, ".") && !strings.Contains(u.Table, `"."`):
		return fmt.Sprintf("AUTH_USER_MODEL %s has the table %q, and a dot separates the schema from the table", u.Model, u.Table)
	}
	return ""
}

// columns returns the columns in the form of --user-columns.
func (u users) columns() string {
	return strings.TrimSuffix(strings.Join(u.Columns, ","), ",")
}

// table returns the table in the form of --users. Projects name a schema as in db_table =
// 'schema"."table'.
func (u users) table() string { return unquoted(u.Table) }

func unquoted(table string) string {
	return strings.ReplaceAll(strings.Trim(table, `"`), `"."`, ".")
}
