package service

import (
	"bytes"
	"encoding/json"
	"fmt"

	"cloakroom/session"
	"cloakroom/session/django"
)

var emptyObject = json.RawMessage("{}")

// mergePatch applies a merge patch (RFC 7396) to an object; both are JSON
// objects in canonical form, and so is the result. Values that the patch does
// not name keep their texts.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	merged, err := merge(target, patch)
	if err != nil {
		return nil, fmt.Errorf("%w: patch: %w", errRequest, err)
	}
	return django.Canonical(merged)
}

func merge(target, patch json.RawMessage) (json.RawMessage, error) {
	changes, ok := members(patch)
	if !ok {
		return patch, nil
	}
	object, ok := members(target)
	if !ok {
		object = map[string]json.RawMessage{}
	}
	for name, value := range changes {
		if string(value) == "null" {
			delete(object, name)
			continue
		}
		merged, err := merge(object[name], value)
		if err != nil {
			return nil, err
		}
		object[name] = merged
	}
	return json.Marshal(object)
}

// members takes an object apart; ok is false if text is none.
func members(text json.RawMessage) (object map[string]json.RawMessage, ok bool) {
	if !bytes.HasPrefix(text, []byte("{")) {
		return nil, false
	}
	return object, json.Unmarshal(text, &object) == nil
}

// ownExpiry reads what a session says of its own end.
func ownExpiry(data json.RawMessage) (session.Expiry, error) {
	object, _ := members(data)
	own, err := session.ParseExpiry(string(object[session.ExpiryKey]))
	if err != nil {
		return own, fmt.Errorf("%w: %w", errRequest, err)
	}
	return own, nil
}
