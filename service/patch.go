package service

import (
	"encoding/json"
	"errors"
	"fmt"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/rawjson"
)

var emptyObject = json.RawMessage("{}")

// mergePatch applies a merge patch (RFC 7396) to an object. Both are JSON objects in canonical
// form, and so is the result. Values that the patch does not name keep their text.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	merged, err := django.Canonical([]byte(rawjson.MergePatch(string(target), string(patch))))
	if err != nil {
		return nil, fmt.Errorf("%w: patch: %w", errRequest, err)
	}
	return merged, nil
}

// patched returns v with a merge patch applied to its data.
func patched(v session.Session, patch json.RawMessage) (session.Session, error) {
	data, err := mergePatch(v.Data, patch)
	if err != nil {
		return v, err
	}
	v.Data, v.Origin = data, v.Origin.Patched(string(patch))
	return v, nil
}

// members returns the members of an object, or nil if text is no object.
func members(text json.RawMessage) map[string]json.RawMessage {
	list, err := rawjson.Object(string(text), nil)
	if err != nil {
		return nil
	}
	object := make(map[string]json.RawMessage, len(list))
	for _, m := range list {
		object[m.Name] = json.RawMessage(m.Value)
	}
	return object
}

// ownExpiry returns the expiry that a session's data sets (Django's set_expiry).
func ownExpiry(data json.RawMessage) (session.Expiry, error) {
	own, err := session.ExpiryOf(data)
	switch {
	case errors.Is(err, session.ErrNoZone):
		return own, fmt.Errorf("%w: %w", session.ErrUnwritable, err)
	case err != nil:
		return own, fmt.Errorf("%w: %w", errRequest, err)
	}
	return own, nil
}
