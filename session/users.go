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
}

// DjangoUsers returns a table with the columns of Django's own user models.
func DjangoUsers(name string) UserTable {
	return UserTable{Name: name, ID: "id", Password: "password", Active: "is_active"}
}

// Users looks up accounts.
type Users interface {
	// User returns the account of an id, the text that Django keeps under _auth_user_id.
	// ErrNotFound means that there is none for certain; other errors wrap ErrUnavailable.
	User(ctx context.Context, id string) (User, error)
}
