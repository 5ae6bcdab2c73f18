package session

import "context"

// User is what sessions depend on of an account (django.contrib.auth).
type User struct {
	// Password is the account's password as it is stored, hashed. It is never
	// logged.
	Password string
	Active   bool
}

// Users finds accounts.
type Users interface {
	// User gives the account of an id, the text that Django keeps under
	// _auth_user_id. ErrNotFound says for certain that there is none; other
	// errors wrap ErrUnavailable.
	User(ctx context.Context, id string) (User, error)
}
