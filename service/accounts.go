package service

import (
	"context"
	"errors"
	"fmt"

	"cloakroom/session"
	"cloakroom/session/django"
)

// Accounts checks sessions against the accounts of their users, as
// django.contrib.auth.get_user does for every request: a changed password ends
// the user's other sessions, and one who is no longer active is refused.
type Accounts struct {
	// Users finds accounts.
	Users session.Users
	// Hasher makes what stands under _auth_user_hash.
	Hasher *django.AuthHasher
}

// DefaultAuthBackend is what a login writes under _auth_user_backend; it has
// to stand in Django's AUTHENTICATION_BACKENDS.
const DefaultAuthBackend = "django.contrib.auth.backends.ModelBackend"

// marks gives what the login of a user writes. session.ErrNotFound says that
// the account does not exist or is not active.
func (a *Accounts) marks(ctx context.Context, id string) (loginMarks, error) {
	m := loginMarks{User: id, Backend: DefaultAuthBackend}
	if a == nil {
		return m, nil
	}
	user, err := a.Users.User(ctx, id)
	if err != nil {
		return m, err
	}
	if !user.Active {
		return m, session.ErrNotFound
	}
	hash := a.Hasher.Hash(user.Password)
	m.Hash = &hash
	return m, nil
}

// verdict is what an account says of a session.
type verdict uint8

const (
	// valid: no user's session, or the active user's own.
	valid verdict = iota
	// refused: the account is gone or not active; the session stays.
	refused
	// outdated: the password has changed since the login; the session ends.
	outdated
)

// check looks at the account that a session belongs to.
func (a *Accounts) check(ctx context.Context, v session.Session) (verdict, error) {
	if a == nil {
		return valid, nil
	}
	marks := marksOf(v.Data)
	if marks.User == "" {
		return valid, nil
	}
	user, err := a.Users.User(ctx, marks.User)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return refused, nil
	case err != nil:
		return refused, fmt.Errorf("accounts: %w", err)
	case !user.Active:
		return refused, nil
	case marks.Hash == nil || !a.Hasher.Verify(user.Password, *marks.Hash):
		return outdated, nil
	}
	return valid, nil
}
