package pickle

import (
	"fmt"

	"cloakroom/session"
)

// Decode decodes a pickle of a dict, a session, and returns what JSON shows of it, in canonical
// form (django.Canonical), and its origin if that is not all. Errors wrap session.ErrUnreadable or
// session.ErrTooLarge.
func Decode(text string) (data []byte, origin *session.Origin, err error) {
	d, err := load(text)
	if err != nil {
		return nil, nil, err
	}
	if origin, err = d.origin(text); err != nil {
		return nil, nil, err
	}
	if data, err = d.json(); err != nil {
		return nil, nil, err
	}
	return data, origin, nil
}

// Encode returns the pickle of a session that consists of data, a JSON object, and of the values
// that its origin, which may be nil, keeps. Errors wrap django.ErrJSON, session.ErrTooLarge or
// session.ErrUnwritable.
func Encode(data []byte, origin *session.Origin) (string, error) {
	d, err := parse(data)
	if err != nil {
		return "", err
	}
	if origin == nil {
		return d.dump(protocol, nil)
	}
	old, err := load(origin.Text)
	if err != nil {
		return "", fmt.Errorf("%w: what it was cannot be read: %w", session.ErrUnwritable, err)
	}
	merged, err := merge(old, d, origin.Removed)
	if err != nil {
		return "", err
	}
	text, err := merged.dump(old.protocol, old)
	if err != nil {
		return "", err
	}
	return text, verify(text, merged, old)
}
