package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// The requests. Age is the policy's age of a session in seconds; an expiry of
// the session's own (session.ExpiryKey in its data) wins over it.
type (
	keyRequest struct {
		Key *string `json:"key"`
	}
	lookupRequest struct {
		Key *string `json:"key"`
		// Attributes are to be in the answer, of the session's user.
		Attributes []string      `json:"attributes"`
		Token      *tokenRequest `json:"token"`
	}
	createRequest struct {
		Data  json.RawMessage `json:"data"`
		Patch json.RawMessage `json:"patch"`
		writing
	}
	touchRequest struct {
		Key *string `json:"key"`
		writing
	}
	patchRequest struct {
		Key   *string         `json:"key"`
		Patch json.RawMessage `json:"patch"`
		writing
	}
	// writing is what all writes have.
	writing struct {
		Age int64 `json:"age"`
		// Stamp writes session.CreatedKey and session.SeenKey into the data.
		// With it a touch needs no age: the session's end then stays.
		Stamp bool `json:"stamp"`
	}
)

// response is the response to every call.
type response struct {
	State string `json:"state"`
	// Key is set if it is new.
	Key string `json:"key,omitempty"`
	// Expires is in Unix seconds, rounded down.
	Expires int64           `json:"expires,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	// Omitted are keys of the session that Data leaves out; "*" among them: there are more.
	Omitted []string `json:"omitted,omitempty"`
	// User are attributes of the session's user: see api.MaxAttributes.
	User        json.RawMessage `json:"user,omitempty"`
	UserOmitted []string        `json:"user_omitted,omitempty"`
	UserUnknown []string        `json:"user_unknown,omitempty"`
	// Token is of the session's user, and TokenTTL its lifetime in seconds; TokenMissing is why
	// there is none, though the session has a user.
	Token        string `json:"token,omitempty"`
	TokenTTL     int64  `json:"token_ttl,omitempty"`
	TokenMissing string `json:"token_missing,omitempty"`
}

var (
	none = response{State: api.StateNone}
	// over is the response to a write that was done and ended the session.
	over = response{State: api.StateEnded}
)

func live(v session.Session) response {
	data, omitted := shown(v)
	return response{State: api.StateLive, Expires: v.Expires.Unix(), Data: data, Omitted: omitted}
}

func liveNew(v session.Session) response {
	a := live(v)
	a.Key = v.Key
	return a
}

func (s *service) lookup(ctx context.Context, in lookupRequest) (response, error) {
	names := in.Token.attributes(in.Attributes)
	lacking, err := s.checkAttributes(ctx, names)
	missing, tokenErr := s.checkToken(in.Token)
	if err = cmp.Or(err, tokenErr); err != nil {
		return none, err
	}
	a, err := s.lookedUp(ctx, in, names)
	if errors.Is(err, session.ErrNotFound) {
		a, err = none, nil
	}
	a.UserUnknown, a.TokenMissing = lacking, cmp.Or(a.TokenMissing, missing)
	return a, err
}

func (s *service) lookedUp(ctx context.Context, in lookupRequest, names []string) (response, error) {
	key, err := checkKey(in.Key)
	if err != nil {
		return none, err
	}
	v, err := s.load(ctx, key)
	if err != nil {
		return none, err
	}
	if v, err = s.follow(ctx, v); err != nil {
		return none, err
	}
	marks := marksOf(v.Data)
	attributes, admitted, err := s.admits(ctx, v.Key, marks, names)
	if err != nil || !admitted {
		return none, err
	}
	s.noteWithheld(v)
	if session.LacksZone(v.Data) {
		s.throttle.warn("a session ends at a date without a zone: it is admitted until the store's date, and writes to it are refused", "error", session.ErrNoZone)
	}
	a := live(v)
	if v.Key != key {
		a.Key = v.Key
	}
	a = a.with(attributes, in.Attributes)
	return s.withToken(a, in.Token, tokenOf{session.ID(v.Key), marks.User, v.Expires, v.Data, attributes}), nil
}

// admits checks the account of a session, whose key or session.Signed.ID is key, and logs a
// refusal. The attributes are those of the names.
func (s *service) admits(ctx context.Context, key string, marks loginMarks, names []string) ([]session.Attribute, bool, error) {
	attributes, admitted, why, err := s.Accounts.check(ctx, marks, names)
	if why.hint != "" {
		s.throttle.warn("a session is refused", "user", marks.User, "reason", why.hint)
	}
	if err == nil && !admitted {
		s.auditOnce(ctx, audit.Record{Event: audit.AuthzFail, Reason: why.reason, User: marks.User, Session: key})
	}
	return attributes, admitted, err
}

func (s *service) create(ctx context.Context, in createRequest) (response, error) {
	data, err := newData(in)
	if err != nil {
		return none, err
	}
	a, err := s.createWith(ctx, session.Session{Data: data}, s.change(in.writing, nil))
	if err == nil && a.State == api.StateLive {
		s.audit(ctx, audit.Record{Event: audit.SessionCreated, User: session.UserOf(data), Session: a.Key})
	}
	return a, err
}

// newData is the data of a new session: given whole, or as the patch of an
// empty one.
func newData(in createRequest) (json.RawMessage, error) {
	if in.Patch == nil {
		data, err := object("data", in.Data)
		if err == nil {
			err = checkNames(data)
		}
		return session.DjangoPatch(data), err
	}
	if in.Data != nil {
		return nil, fmt.Errorf("%w: data and patch exclude each other", errRequest)
	}
	patch, err := patchObject(in.Patch)
	if err != nil {
		return nil, err
	}
	return mergePatch(emptyObject, patch)
}

// createWith stores v under a new key, as change makes it.
func (s *service) createWith(ctx context.Context, v session.Session, change session.Change) (response, error) {
	v, err := change(v)
	if err != nil {
		return none, err
	}
	err = s.withNewKey(func(key string) error {
		v.Key = key
		return s.Store.Create(ctx, v)
	})
	return s.ended(ctx, liveNew(v), v, err)
}

func (s *service) update(ctx context.Context, in patchRequest) (response, error) {
	key, patch, err := checkPatch(in, true)
	if err != nil {
		return none, err
	}
	var v session.Session
	err = current(key, func(newest string) (err error) {
		key = newest
		v, err = s.Store.Update(ctx, key, s.change(in.writing, merging(patch)))
		return err
	})
	a, err := s.ended(ctx, live(v), v, err)
	return s.published(ctx, key, a, err)
}

func (s *service) touch(ctx context.Context, in touchRequest) (response, error) {
	key, err := checkKey(in.Key)
	if err != nil {
		return none, err
	}
	var v session.Session
	err = current(key, func(newest string) (err error) {
		v, err = s.Store.Update(ctx, newest, s.change(in.writing, nil))
		if errors.Is(err, session.ErrTooLarge) && in.Age != 0 {
			v, err = s.touchLarge(ctx, newest, in.Age)
		}
		return err
	})
	return s.ended(ctx, response{State: api.StateLive, Expires: v.Expires.Unix()}, v, err)
}

func (s *service) rotate(ctx context.Context, in patchRequest) (response, error) {
	key, patch, err := checkPatch(in, false)
	if err != nil {
		return none, err
	}
	a, err := s.rotateWith(ctx, key, s.change(in.writing, merging(patch)))
	if err == nil && a.State == api.StateLive {
		s.audit(ctx, audit.Record{Event: audit.SessionRenewed, User: session.UserOf(a.Data), Session: a.Key, Previous: key})
	}
	return a, err
}

// rotateWith moves the session of key to a new one, as change makes it.
func (s *service) rotateWith(ctx context.Context, key string, change session.Change) (response, error) {
	return s.rotated(ctx, key, func(string) error { return nil }, change)
}

// rotated is rotateWith after another step, which is given the new key.
func (s *service) rotated(ctx context.Context, key string, before func(newKey string) error, change session.Change) (response, error) {
	var v session.Session
	err := current(key, func(newest string) error {
		key = newest
		return s.withNewKey(func(newKey string) (err error) {
			if err = before(newKey); err != nil {
				return err
			}
			v, err = s.Store.Rotate(ctx, key, newKey, change)
			return err
		})
	})
	if err == nil {
		err = s.endRelatives(ctx, key)
	}
	a, err := s.ended(ctx, liveNew(v), v, err)
	return s.published(ctx, key, a, err)
}

// ended makes "ended" of a session whose own expiry had passed when it was
// written.
func (s *service) ended(ctx context.Context, a response, v session.Session, err error) (response, error) {
	if err == nil && !v.Live(s.Now()) {
		s.audit(ctx, audit.Record{Event: audit.SessionExpired, Reason: audit.Expiry, User: session.UserOf(v.Data), Session: v.Key})
		return over, nil
	}
	return a, err
}

// attempts at drawing a key that is free. One is enough, unless the random
// source is broken.
const attempts = 3

func (s *service) withNewKey(use func(key string) error) error {
	var err error
	for range attempts {
		var key string
		if key, err = session.NewKey(s.Random); err != nil {
			return err
		}
		if err = use(key); !errors.Is(err, session.ErrExists) {
			return err
		}
	}
	return err
}

// edit computes a session's new data.
type edit func(v session.Session) (session.Session, error)

// merging is the edit by a merge patch; nil without one.
func merging(patch json.RawMessage) edit {
	if patch == nil {
		return nil
	}
	return func(v session.Session) (session.Session, error) { return patched(v, patch) }
}

// change is the session.Change that all writes share: edit the data (nil:
// keep it), then set the end of a session that is written now.
func (s *service) change(w writing, edit edit) session.Change {
	return func(v session.Session) (session.Session, error) {
		if next := v.Cycle().Next; next != nil {
			return v, cycledError{next.Key}
		}
		keepEnd := w.Stamp && w.Age == 0 && v.Key != "" && edit == nil
		if (w.Age < 1 || w.Age > maxAge) && !keepEnd {
			return v, fmt.Errorf("%w: age must be from 1 to %d seconds", errRequest, maxAge)
		}
		before := len(v.Data)
		if edit != nil {
			var err error
			if v, err = edit(v); err != nil {
				return v, err
			}
		}
		if len(v.Data) > s.MaxData && (len(v.Data) > before || v.Key == "") {
			return v, fmt.Errorf("%w: %d bytes, the limit is %d", session.ErrTooLarge, len(v.Data), s.MaxData)
		}
		if w.Stamp {
			v.Data = stamped(v.Data, s.Now())
		}
		if keepEnd {
			return v, nil
		}
		own, err := ownExpiry(v.Data)
		if err != nil {
			return v, err
		}
		v.Expires, _ = session.Policy{Age: time.Duration(w.Age) * time.Second}.End(own, s.Now())
		return v, nil
	}
}

// stamped returns the data with when the session was first and last seen.
func stamped(data json.RawMessage, now time.Time) json.RawMessage {
	at := strconv.FormatInt(now.Unix(), 10)
	patch := `{"` + session.SeenKey + `":` + at + `}`
	if _, has := members(data)[session.CreatedKey]; !has {
		patch = `{"` + session.CreatedKey + `":` + at + `,"` + session.SeenKey + `":` + at + `}`
	}
	return json.RawMessage(rawjson.MergePatch(string(data), patch))
}
