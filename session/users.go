package session

import "context"

// User is the part of an account (django.contrib.auth) that sessions depend on.
type User struct {
	// ID is the id as the database writes it, which is what Django keeps under _auth_user_id.
	// Several texts may select one account; this is the canonical one.
	ID string
	// Password is the account's password as it is stored, hashed. It must not be logged.
	Password string
	Active   bool
}

// UserTable is a table of accounts, and its columns.
type UserTable struct {
	// Name may be qualified with a schema (PostgreSQL).
	Name, ID, Password string
	// Active is a column of booleans, NULL being false. If it is "", every user is active.
	Active string
	// Groups and Permissions are the tables of the users' groups and of the permissions that
	// users have without a group; without Groups users have neither.
	Groups, Permissions Relation
}

// Relation is the table of a many-to-many relation: its name, which may have a schema before a
// dot, its column of users' ids, and its column of the others' ids. The zero value is none.
type Relation struct{ Table, User, Other string }

// DjangoUsers returns a table with the columns of Django's own user models, and for auth_user the
// tables of its relations.
func DjangoUsers(name string) UserTable {
	t := UserTable{Name: name, ID: "id", Password: "password", Active: "is_active"}
	if name == "auth_user" {
		t.Groups = Relation{"auth_user_groups", "user_id", "group_id"}
		t.Permissions = Relation{"auth_user_user_permissions", "user_id", "permission_id"}
	}
	return t
}

// Users looks up accounts.
type Users interface {
	// User returns the account of an id, the text that Django keeps under _auth_user_id.
	// ErrNotFound means that there is none for certain; other errors wrap ErrUnavailable.
	User(ctx context.Context, id string) (User, error)
}

// AttributedUsers are accounts of which more can be read than what sessions depend on.
type AttributedUsers interface {
	Users
	// UserWith is User, and returns the attributes of the account, one for each name, in their
	// order. A name is AttributeGroups, AttributePermissions, or a column of the accounts'
	// table, written exactly. The password's column is no attribute.
	UserWith(ctx context.Context, id string, names []string) (User, []Attribute, error)
	// Lacking returns those of the names that no account has.
	Lacking(ctx context.Context, names []string) ([]string, error)
}

// The attributes that are no columns: the names of the user's groups, and the permissions that
// Django's ModelBackend.get_all_permissions returns, as app_label.codename. Both are sorted.
const (
	AttributeGroups      = "groups"
	AttributePermissions = "permissions"
)

// The bounds of attributes.
const (
	// MaxAttributeNames bounds the names in a list.
	MaxAttributeNames = 1000
	// MaxAttributeBytes bounds the text of a column, in bytes.
	MaxAttributeBytes = 64 << 10
)

// Attribute is something that is known of a user.
type Attribute struct {
	Name string
	// Value is JSON: a string, a number, a boolean, null, or a list of strings. It is empty
	// where there is no such attribute, and where it is over a bound.
	Value string
	// Omitted says that the value is over a bound, Unknown that no account has the attribute.
	Omitted, Unknown bool
}
