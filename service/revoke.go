package service

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"cloakroom/service/audit"
	"cloakroom/session"
)

// verifyRequest is a request to check whether a session that is kept in its cookie was revoked,
// and whether its account is admitted.
type verifyRequest struct {
	Signed string `json:"signed"` // session.Signed
	// Hash and Backend are the session's _auth_user_hash and _auth_user_backend. A request without
	// a backend is from an older filter: only the account itself is checked.
	Hash    *string `json:"hash"`
	Backend *string `json:"backend"`
	// Expires is when it expires, in Unix seconds; the response repeats it.
	Expires int64 `json:"expires"`
	// Attributes are to be in the answer, of the session's user.
	Attributes []string      `json:"attributes"`
	Token      *tokenRequest `json:"token"`
}

// verify is the lookup of a session that is kept in its cookie. The response repeats what the
// request asked for, so that it is not taken for that of another request.
func (s *service) verify(ctx context.Context, in verifyRequest) (response, error) {
	of, ok := session.ParseSigned(in.Signed)
	if !ok {
		return none, fmt.Errorf("%w: signed must be an id, a time and a user, with spaces between", errRequest)
	}
	names := in.Token.attributes(in.Attributes)
	lacking, err := s.checkAttributes(ctx, names)
	_, tokenErr := s.checkToken(in.Token)
	if err = cmp.Or(err, tokenErr); err != nil {
		return none, err
	}
	end := time.Unix(in.Expires, 0)
	if !end.After(s.Now()) {
		return none, nil
	}
	revoked, err := s.revoked(ctx, of)
	if err == nil && revoked {
		s.auditOnce(ctx, audit.Record{Event: audit.UseAfterExpire, Reason: audit.Revoked, User: of.User, Session: of.ID})
	}
	if err != nil || revoked {
		return none, err
	}
	data := map[string]string{session.SignedKey: in.Signed}
	var attributes []session.Attribute
	if of.User != "" {
		marks := loginMarks{User: of.User, Hash: in.Hash, Backend: s.Accounts.backends()[0], unhashed: in.Hash == nil}
		if in.Backend != nil {
			marks.Backend = *in.Backend
			data[backendKey] = *in.Backend
		}
		if in.Hash != nil {
			data[hashKey] = *in.Hash
		}
		var admitted bool
		if attributes, admitted, err = s.admits(ctx, of.ID, marks, names); err != nil || !admitted {
			return none, err
		}
		data[session.UserKey] = of.User
	}
	text, err := json.Marshal(data)
	a := live(session.Session{Data: text, Expires: end}).with(attributes, in.Attributes)
	a = s.withToken(a, in.Token, tokenOf{session.ID(of.ID), of.User, end, nil, attributes})
	a.UserUnknown = lacking
	return a, err
}

// revoked reports whether a session was revoked, by itself or with all of its user's.
func (s *service) revoked(ctx context.Context, of session.Signed) (bool, error) {
	keys := []string{session.RevokedSession(of.ID)}
	if of.User != "" {
		keys = append(keys, session.RevokedUser(of.User))
	}
	notes, err := s.Store.Notes(ctx, keys...)
	if err != nil {
		return true, err
	}
	if !notes[0].Expires.IsZero() {
		return true, nil
	}
	return len(notes) > 1 && !notes[1].Expires.IsZero() && of.Since <= notes[1].Number, nil
}

// Revoke stores the revocation of a session kept in its cookie (session.RevokedSession), or of all
// of a user's that began at or before until (session.RevokedUser). It is kept for age, the maximum
// lifetime of such a cookie. An earlier revocation does not undo a later one.
func Revoke(ctx context.Context, store session.Store, key string, until, now time.Time, age time.Duration) error {
	return store.SetNote(ctx, key, session.Note{Number: until.Unix(), Expires: now.Add(age)})
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
