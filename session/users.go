package session

import "context"

// User is what sessions depend on of an account (django.contrib.auth).
type User struct {
	// ID is the id as the database writes it, which is what Django keeps under
	// _auth_user_id: of the texts that lead to one account the one that counts.
	ID string
	// Password is the account's password as it is stored, hashed. It is never
	// logged.
	Password string
	Active   bool
}

// UserTable is a table of accounts, and its columns.
type UserTable struct {
	// Name may have a schema before a dot (PostgreSQL).
	Name, ID, Password string
	// Active is a column of booleans, NULL being false; "": every user is active.
	Active string
}

// DjangoUsers returns a table with the columns of Django's own user models.
func DjangoUsers(name string) UserTable {
	return UserTable{Name: name, ID: "id", Password: "password", Active: "is_active"}
}

// Users finds accounts.
type Users interface {
	// User returns the account of an id, the text that Django keeps under
	// _auth_user_id. ErrNotFound says for certain that there is none; other
	// errors wrap ErrUnavailable.
	User(ctx context.Context, id string) (User, error)
}
