package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"cloakroom/session"
	"cloakroom/session/django"
)

// maxAge is a hundred years in seconds.
const maxAge = 100 * 365 * 24 * 60 * 60

func checkKey(key *string) (string, error) {
	switch {
	case key == nil:
		return "", fmt.Errorf("%w: key is missing", errRequest)
	case !session.ValidKey(*key):
		return "", session.ErrNotFound
	}
	return *key, nil
}

func checkPatch(in patchRequest, required bool) (key string, patch json.RawMessage, err error) {
	if required || in.Patch != nil {
		if patch, err = patchObject(in.Patch); err != nil {
			return "", nil, err
		}
	}
	key, err = checkKey(in.Key)
	return key, patch, err
}

// patchObject checks that a patch is a JSON object that names no key of Cloakroom's own or of
// Django's login, and returns it in canonical form.
func patchObject(text json.RawMessage) (json.RawMessage, error) {
	patch, err := object("patch", text)
	if err != nil {
		return nil, err
	}
	for name := range members(patch) {
		if name == session.UserKey || name == hashKey || name == backendKey {
			return nil, fmt.Errorf("%w: patch: %s is written by /v1/login alone", errRequest, name)
		}
	}
	return session.DjangoPatch(patch), checkNames(patch)
}

// ownPrefix begins the keys of the session's data that are Cloakroom's own.
const ownPrefix = session.OwnPrefix

func checkNames(data json.RawMessage) error {
	if !bytes.Contains(data, []byte(ownPrefix)) {
		return nil
	}
	for name := range members(data) {
		if strings.HasPrefix(name, ownPrefix) {
			return fmt.Errorf("%w: keys that begin with %s are the service's own", errRequest, ownPrefix)
		}
	}
	return nil
}

// maxUser is the maximum length of a user's id, in bytes.
const maxUser = 255

// checkUser returns an error unless id is a valid user id.
func checkUser(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: user is missing", errRequest)
	case len(id) > maxUser || strings.ContainsRune(id, 0):
		return fmt.Errorf("%w: user must be an id of %d bytes at most, without NUL", errRequest, maxUser)
	}
	return nil
}

// object checks that field holds a JSON object, and returns it in canonical form.
func object(field string, text json.RawMessage) (json.RawMessage, error) {
	canonical, err := django.Canonical(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errRequest, field, err)
	}
	return canonical, nil
}
