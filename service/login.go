package service

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

// hashKey is the key of the session's data under which Django keeps a hash of
// the user's password (django.contrib.auth.HASH_SESSION_KEY).
const hashKey = session.HashKey

// backendKey is the key under which Django keeps the backend of the login
// (django.contrib.auth.BACKEND_SESSION_KEY).
const backendKey = session.BackendKey

type loginRequest struct {
	Key   *string         `json:"key"`
	User  string          `json:"user"`
	Patch json.RawMessage `json:"patch"`
	writing
}

// login stores the session of a user who has just authenticated under a new key, as
// django.contrib.auth.login does: it drops another user's data, and keeps that of an anonymous
// visitor or the user. It returns "none" if the account does not exist or is inactive.
func (s *service) login(ctx context.Context, in loginRequest) (response, error) {
	if err := checkUser(in.User); err != nil {
		return none, err
	}
	var patch json.RawMessage
	if in.Patch != nil {
		var err error
		if patch, err = patchObject(in.Patch); err != nil {
			return none, err
		}
	}
	marks, err := s.Accounts.marks(ctx, in.User)
	if errors.Is(err, session.ErrNotFound) {
		s.audit(ctx, audit.Record{Event: audit.LoginFail, Reason: audit.Account, User: in.User})
	}
	if err != nil {
		return none, err
	}
	previous := ""
	if in.Key != nil && session.ValidKey(*in.Key) {
		previous = *in.Key
	}
	a, err := s.loginWith(ctx, in, patch, marks, previous)
	if err == nil && a.State == api.StateLive {
		s.audit(ctx, audit.Record{Event: audit.LoginSuccess, User: marks.User, Session: a.Key, Previous: previous})
	}
	return a, err
}

// loginWith is login with what it has read; previous is the visitor's key, or "".
func (s *service) loginWith(ctx context.Context, in loginRequest, patch json.RawMessage, marks loginMarks, previous string) (response, error) {
	change := s.change(in.writing, func(v session.Session) (session.Session, error) {
		return loggedIn(v, patch, marks)
	})
	if previous == "" {
		return s.createWith(ctx, session.Session{Data: emptyObject}, change)
	}
	a, err := s.loginOf(ctx, previous, marks.User, change)
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrUnreadable) {
		// The session ended elsewhere: filters may still have it cached.
		a, err = s.createWith(ctx, session.Session{Data: emptyObject}, change)
		return s.published(ctx, previous, a, err)
	}
	return a, err
}

// repeatable is how long a login can be repeated by a client that did not get the response and
// still has the previous key.
const repeatable = 2 * time.Minute

// loginOf logs a user in with the session of a key, and rotates the key. A repeated login uses the
// session that the first one made, so that the visitor's data is not lost.
func (s *service) loginOf(ctx context.Context, key, user string, change session.Change) (response, error) {
	before := session.LoginOf(key)
	_, err := s.Store.Load(ctx, key)
	if err == nil {
		return s.rotated(ctx, key, func(newKey string) error {
			return s.Store.SetNote(ctx, before, session.Note{Text: newKey, Expires: s.Now().Add(repeatable)})
		}, change)
	}
	if !errors.Is(err, session.ErrNotFound) {
		return none, err
	}
	notes, err := s.Store.Notes(ctx, before)
	if err != nil {
		return none, err
	}
	first, err := s.lastLive(ctx, notes[0].Text)
	switch {
	case err != nil:
		return none, err
	case session.UserOf(first.Data) != user:
		return none, session.ErrNotFound // another user has logged in since
	}
	a, err := s.loginAgain(ctx, first.Key, user, change)
	if err == nil { // the first login may have failed before this step
		err = s.endRelatives(ctx, key)
	}
	return s.published(ctx, key, a, err)
}

// lastLive returns the session of the last key of a note that has one.
func (s *service) lastLive(ctx context.Context, keys string) (session.Session, error) {
	for _, key := range slices.Backward(strings.Fields(keys)) {
		if v, err := s.Store.Load(ctx, key); !errors.Is(err, session.ErrNotFound) {
			return v, err
		}
	}
	return session.Session{}, session.ErrNotFound
}

// loginAgain applies change to the session that a previous login made, under the key of that
// session.
func (s *service) loginAgain(ctx context.Context, key, user string, change session.Change) (response, error) {
	var v session.Session
	err := current(key, func(newest string) (err error) {
		key = newest
		v, err = s.Store.Update(ctx, key, func(v session.Session) (session.Session, error) {
			if session.UserOf(v.Data) != user {
				return v, session.ErrNotFound
			}
			return change(v)
		})
		return err
	})
	a, err := s.ended(ctx, liveNew(v), v, err)
	return s.published(ctx, key, a, err)
}

// loggedIn returns the session v after a login.
func loggedIn(v session.Session, patch json.RawMessage, marks loginMarks) (session.Session, error) {
	if before := marksOf(v.Data); before.User != "" && before.User != marks.User {
		v.Data, v.Origin = emptyObject, nil
	}
	if patch != nil {
		var err error
		if v, err = patched(v, patch); err != nil {
			return v, err
		}
	}
	text, err := json.Marshal(marks)
	if err != nil {
		return v, err
	}
	return patched(v, text)
}

// loginMarks is the part of the session's data that a login writes.
type loginMarks struct {
	User    string `json:"_auth_user_id"`
	Backend string `json:"_auth_user_backend"`
	// Hash is nil where no account is configured, which removes an old hash.
	Hash *string `json:"_auth_user_hash"`
	// Created is nil: the absolute timeout counts from the login.
	Created *int64 `json:"_cloakroom_created"`
	// Cycled and Used are nil: the key is new.
	Cycled *int64 `json:"_cloakroom_cycled"`
	Used   *int64 `json:"_cloakroom_used"`

	// unhashed reports that the login has no hash to check.
	unhashed bool
}

// marksOf returns the marks of a session. Without a login they are empty.
func marksOf(data json.RawMessage) loginMarks {
	object := members(data)
	var hash *string
	if text, ok := object[hashKey]; ok {
		var h string
		if json.Unmarshal(text, &h) == nil {
			hash = &h
		}
	}
	var backend string
	_ = json.Unmarshal(object[backendKey], &backend) // empty unless it is a string
	return loginMarks{User: session.UserOf(data), Backend: backend, Hash: hash}
}
