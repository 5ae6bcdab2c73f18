package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloakroom/service/audit"
	"cloakroom/session"
	"cloakroom/session/django"
)

// Accounts checks sessions against the accounts of their users, as
// django.contrib.auth.get_user does for every request: after a change of the password the
// user's other sessions are refused, and so are those of one who is no longer active.
type Accounts struct {
	// Users finds accounts.
	Users session.Users
	// Hasher makes what stands under _auth_user_hash.
	Hasher *django.AuthHasher
	// Backends are AUTHENTICATION_BACKENDS: a session that was logged in by another is
	// refused, and logins are by the first. Without any, DefaultAuthBackend is the only one.
	Backends []string
	// InactiveBackends are those of Backends that admit users who are not active, as Django's
	// AllowAllUsersModelBackend does.
	InactiveBackends []string
}

// DefaultAuthBackend is Django's default for AUTHENTICATION_BACKENDS.
const DefaultAuthBackend = "django.contrib.auth.backends.ModelBackend"

func (a *Accounts) backends() []string {
	if a == nil || len(a.Backends) == 0 {
		return []string{DefaultAuthBackend}
	}
	return a.Backends
}

// marks returns what the login of a user writes. session.ErrNotFound says that the account does
// not exist or is not active.
func (a *Accounts) marks(ctx context.Context, id string) (loginMarks, error) {
	m := loginMarks{User: id, Backend: a.backends()[0]}
	if a == nil {
		return m, nil
	}
	user, err := a.Users.User(ctx, id)
	if err != nil {
		return m, err
	}
	if !a.admits(user, m.Backend) {
		return m, session.ErrNotFound
	}
	hash := a.Hasher.Hash(user.Password)
	m.User, m.Hash = user.ID, &hash
	return m, nil
}

// canonical returns a user's id as the database writes it; as it is, where there is no account
// of it.
func (a *Accounts) canonical(ctx context.Context, id string) (string, error) {
	if a == nil {
		return id, nil
	}
	user, err := a.Users.User(ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		return id, nil
	}
	return user.ID, err
}

// admits reports whether a backend admits a user.
func (a *Accounts) admits(user session.User, backend string) bool {
	return user.Active || slices.Contains(a.InactiveBackends, backend)
}

// refusal says why an account does not admit a session: for the audit log, and with a hint where
// an operator might wonder.
type refusal struct {
	reason audit.Reason
	hint   string
}

// check looks at the account that a session belongs to: whether it admits the session, and if
// not, why. The attributes are those of the names. A session that is not admitted stays: Django ends
// those whose password has changed, and knows best.
func (a *Accounts) check(ctx context.Context, marks loginMarks, names []string) (attributes []session.Attribute, admitted bool, why refusal, err error) {
	if a == nil && marks.User != "" {
		return unknownAttributes(names), true, refusal{}, nil
	}
	if marks.User == "" {
		return nil, true, refusal{}, nil
	}
	if !slices.Contains(a.backends(), marks.Backend) {
		return nil, false, refusal{audit.Backend, fmt.Sprintf("it was logged in by the backend %.100q, which is not among --auth-backends (AUTHENTICATION_BACKENDS)", marks.Backend)}, nil
	}
	user, attributes, err := a.userWith(ctx, marks.User, names)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil, false, refusal{reason: audit.NoAccount}, nil
	case err != nil:
		return nil, false, refusal{}, fmt.Errorf("accounts: %w", err)
	case !a.admits(user, marks.Backend):
		return nil, false, refusal{reason: audit.Inactive}, nil
	case user.ID != marks.User:
		return nil, false, refusal{audit.ForeignUserID, "its user's id is not written as the database writes it"}, nil
	case marks.unhashed:
		return attributes, true, refusal{}, nil
	case marks.Hash == nil || !a.Hasher.Verify(user.Password, *marks.Hash):
		return nil, false, refusal{audit.PasswordHash, "its _auth_user_hash is not of the account's password: the password was changed, or the user model has a get_session_auth_hash of its own (--accounts off), or CLOAKROOM_SECRET_KEY is not Django's SECRET_KEY"}, nil
	}
	return attributes, true, refusal{}, nil
}
