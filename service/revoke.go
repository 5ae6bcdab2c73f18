package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cloakroom/session"
)

// verifyRequest asks whether a session that is kept in its cookie was revoked.
type verifyRequest struct {
	Signed string `json:"signed"` // session.Signed
	// Expires is when it ends by itself, in Unix seconds; the answer says the same.
	Expires int64 `json:"expires"`
}

// verify answers for a session that is kept in its cookie as lookup does for others.
func (s *service) verify(ctx context.Context, in verifyRequest) (answer, error) {
	of, ok := session.ParseSigned(in.Signed)
	if !ok {
		return none, fmt.Errorf("%w: signed must be an id, a time and a user, with spaces between", errRequest)
	}
	end := time.Unix(in.Expires, 0)
	if !end.After(s.Now()) {
		return none, nil
	}
	if _, revoked, err := s.revokedUntil(ctx, session.RevokedSession(of.ID)); err != nil || revoked {
		return none, err
	}
	data := map[string]string{session.SignedKey: in.Signed}
	if of.User != "" {
		until, revoked, err := s.revokedUntil(ctx, session.RevokedUser(of.User))
		if err != nil || (revoked && of.Since <= until) {
			return none, err
		}
		data[session.UserKey] = of.User
	}
	text, err := json.Marshal(data)
	return live(session.Session{Data: text, Expires: end}), err
}

// revokedUntil reads a revocation.
func (s *service) revokedUntil(ctx context.Context, key string) (until int64, revoked bool, err error) {
	v, err := s.Store.Load(ctx, key)
	if errors.Is(err, session.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, true, err
	}
	until, err = strconv.ParseInt(string(members(v.Data)[session.RevokedKey]), 10, 64)
	if err != nil {
		return 0, true, fmt.Errorf("%w: a revocation without a time", session.ErrUnreadable)
	}
	return until, true, nil
}

// Revoke stores that a session kept in its cookie (session.RevokedSession), or all of a
// user's that began by until (session.RevokedUser), were revoked. It is kept for age, how
// long such a cookie can live. A later revocation is not undone by an earlier one.
func Revoke(ctx context.Context, store session.Store, key string, until, now time.Time, age time.Duration) error {
	v := session.Session{Key: key, Data: revocation(until.Unix()), Expires: now.Add(age)}
	err := store.Create(ctx, v)
	if !errors.Is(err, session.ErrExists) {
		return err
	}
	_, err = store.Update(ctx, key, func(before session.Session) (session.Session, error) {
		if was, err := strconv.ParseInt(string(members(before.Data)[session.RevokedKey]), 10, 64); err == nil && was > until.Unix() {
			v.Data = revocation(was)
		}
		if before.Expires.After(v.Expires) {
			v.Expires = before.Expires
		}
		return v, nil
	})
	if !errors.Is(err, session.ErrNotFound) {
		return err
	}
	// One that has run out stands there.
	if err := store.Delete(ctx, key); err != nil {
		return err
	}
	return store.Create(ctx, v)
}

// revokeSigned revokes a session that is kept in its cookie, or all of a user's.
func (s *service) revokeSigned(ctx context.Context, in flushRequest) error {
	now := s.Now()
	if in.Age < 1 || in.Age > maxAge {
		return fmt.Errorf("%w: age must be from 1 to %d seconds", errRequest, maxAge)
	}
	until := now
	if in.Before != 0 {
		if until = time.Unix(in.Before, 0); until.After(now) || in.Before < 0 {
			return fmt.Errorf("%w: before must be a time that has passed, in Unix seconds", errRequest)
		}
	}
	key := session.RevokedUser(in.User)
	if in.User == "" {
		key = session.RevokedSession(*in.Key)
	}
	return Revoke(ctx, s.Store, key, until, now, time.Duration(in.Age)*time.Second)
}

func revocation(until int64) json.RawMessage {
	return json.RawMessage(`{"` + session.RevokedKey + `":` + strconv.FormatInt(until, 10) + `}`)
}
