package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloakroom/api"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// maxAttributeName bounds the name of an attribute: PostgreSQL's names of columns have 63 bytes.
const maxAttributeName = 63

// checkAttributes checks the names of attributes that a call has, and returns and logs those that
// no account has.
func (s *service) checkAttributes(ctx context.Context, names []string) (lacking []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	if len(names) > api.MaxAttributes {
		return nil, fmt.Errorf("%w: attributes must be %d names at most", errRequest, api.MaxAttributes)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%w: attributes: %q is there twice", errRequest, name)
		}
		if name == "" || len(name) > maxAttributeName || strings.ContainsRune(name, 0) {
			return nil, fmt.Errorf("%w: attributes: a name must have 1 to %d bytes, without NUL", errRequest, maxAttributeName)
		}
	}
	if lacking, err = s.Accounts.lacking(ctx, names); err != nil {
		return nil, nil //nolint:nilerr // an outage: the call itself says so, where it needs the accounts
	}
	s.lacking.set(names, lacking)
	if len(lacking) > 0 {
		s.throttle.warn(lackingWarning, "attributes", strings.Join(lacking, ", "))
	}
	return lacking, nil
}

const lackingWarning = "the filter's configuration names attributes of users that the accounts do not have: no header carries them, and what requires them refuses"

// lackingHint says what to do about a warning.
const lackingHint = "see --accounts, --users, --user-groups and --user-permissions, and what the database's role may read"

// unknownAttributes returns attributes that no account has.
func unknownAttributes(names []string) []session.Attribute {
	attributes := make([]session.Attribute, len(names))
	for i, name := range names {
		attributes[i] = session.Attribute{Name: name, Unknown: true}
	}
	return attributes
}

// lacking returns those of the names that no account has.
func (a *Accounts) lacking(ctx context.Context, names []string) ([]string, error) {
	if a != nil {
		if users, ok := a.Users.(session.AttributedUsers); ok {
			return users.Lacking(ctx, names)
		}
	}
	return names, nil
}

// userWith returns an account and attributes of it.
func (a *Accounts) userWith(ctx context.Context, id string, names []string) (session.User, []session.Attribute, error) {
	users, ok := a.Users.(session.AttributedUsers)
	if len(names) > 0 && ok {
		return users.UserWith(ctx, id, names)
	}
	user, err := a.Users.User(ctx, id)
	return user, unknownAttributes(names), err
}

// with returns the answer with those of the attributes of the session's user that are named, as
// far as they have room: the smallest before others.
func (a response) with(attributes []session.Attribute, names []string) response {
	attributes = slices.DeleteFunc(slices.Clone(attributes), func(at session.Attribute) bool { return !slices.Contains(names, at.Name) })
	if len(attributes) == 0 {
		return a
	}
	object := []byte{'{'}
	for _, at := range bySize(attributes) {
		switch {
		case at.Unknown:
			continue
		case at.Omitted || len(object)+len(at.Name)+len(at.Value) > api.MaxUserBytes:
			a.UserOmitted = append(a.UserOmitted, at.Name)
			continue
		case len(object) > 1:
			object = append(object, ',')
		}
		object = append(append(rawjson.AppendString(object, at.Name), ':'), at.Value...)
	}
	a.User = append(object, '}')
	return a
}
