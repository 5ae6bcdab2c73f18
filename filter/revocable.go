package filter

import (
	"strconv"
	"time"

	"cloakroom/api"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// signingSkew is how far ahead of the session service's the clock of a host may be that signs
// cookies: a session whose beginning the filter did not see counts as so much older than its
// cookie says, so that "all of a user's until now" includes it.
const signingSkew = time.Minute

// The keys of the session's data under which Django keeps a hash of the user's password, and
// the backend of the login (django.contrib.auth.HASH_SESSION_KEY, BACKEND_SESSION_KEY).
const (
	hashKey    = session.HashKey
	backendKey = session.BackendKey
)

// revocationHandle is by what a session that is kept in its cookie can be revoked.
type revocationHandle struct {
	session.Signed
	text string // as the data has it
	// hash and backend are the login's, as the data has them.
	hash, backend string
}

// handleOf returns the handle in the data of a user's session; nil where there is none, or
// another user's.
func handleOf(mark string, data []rawjson.Member, user string) *revocationHandle {
	text, ok := rawjson.String(mark)
	if !ok {
		return nil
	}
	of, ok := session.ParseSigned(text)
	if !ok || of.User != user {
		return nil
	}
	return &revocationHandle{of, text, value(data, hashKey), value(data, backendKey)}
}

// newHandle returns the handle for a session whose cookie has none yet, or that has become
// another user's.
func newHandle(cookie string, r *LookupResult) *revocationHandle {
	data := r.members()
	text, _ := rawjson.String(value(data, session.SignedKey))
	of, ok := session.ParseSigned(text)
	if !ok {
		of.ID = session.SignedID(cookie)
	}
	of.Since, of.User = max(0, r.seen.Add(-signingSkew).Unix()), r.user
	return &revocationHandle{of, of.String(), value(data, hashKey), value(data, backendKey)}
}

// withHandle signs a session again with its handle in it, and with the time that it was
// signed at: the result follows from the cookie alone.
func (s *Stream) withHandle(r *LookupResult, handle *revocationHandle) (*LookupResult, error) {
	patch := rawjson.AppendString(appendName([]byte{'{'}, session.SignedKey), handle.text)
	data := r.signedData().patched(string(append(patch, '}')))
	cookie, err := s.encode(data, r.seen)
	if err != nil {
		return r, err
	}
	signed := signedResult(data, s.route, r.seen)
	signed.key = cookie
	return signed, nil
}

// encode signs a session's data at a time.
func (s *Stream) encode(data signedData, at time.Time) (string, error) {
	cookie, err := s.route.Signed.Codec().Write([]byte(data.text), data.origin, at)
	if err == nil && len(s.route.Cookie.Name)+len(cookie) > maxCookieBytes {
		err = errCookieTooLong
	}
	return cookie, err
}

// verify asks whether the session that the request's cookie holds was revoked.
func (s *Stream) verify(now time.Time) Action {
	r, warning := s.cookieSession, ""
	if s.isOver(r, now) {
		return s.lookedUp(r, now)
	}
	if r.handle == nil {
		if r.marked == nil {
			handle := newHandle(s.key, r)
			marked, err := s.withHandle(r, handle)
			if err != nil {
				warning = "a session can be revoked by the cookie that it has now and by no later one: " + err.Error()
			}
			kept := *marked
			kept.handle = handle
			r.marked = &kept
			if cookies := s.shared.Cookies; cookies != nil {
				cookies.Grow(s.key, len(kept.key)+kept.Size())
			}
		}
		r = r.marked
	}
	s.cookieSession, s.handle, s.waiting = r, r.handle, forVerify
	action := Action{Verdict: Wait}
	action.warn(warning)
	return action
}

// verifyCallout returns the callout of verify, which asks for a token as config.Token.Wanted says.
func (s *Stream) verifyCallout(token string) Callout {
	body := rawjson.AppendString([]byte(`{"signed":`), s.handle.text)
	for _, m := range [...]rawjson.Member{{Name: "hash", Value: s.handle.hash}, {Name: "backend", Value: s.handle.backend}} {
		if _, isText := rawjson.String(m.Value); isText {
			body = append(append(append(append(body, `,"`...), m.Name...), `":`...), m.Value...)
		}
	}
	body = strconv.AppendInt(append(body, `,"expires":`...), endOf(&s.route.Expiry, s.cookieSession).Unix(), 10)
	body = append(append(body, s.route.Service.Wanted()...), token...)
	return NewCallout(&s.route.Service, api.Verify, string(append(body, '}')))
}

// answers reports whether a result is of this handle, and not of the same session at another
// time or with another password.
func (r *LookupResult) answers(of *revocationHandle) bool {
	return r.status == noSession || (r.handle != nil && r.handle.text == of.text && r.handle.hash == of.hash && r.handle.backend == of.backend)
}

// verified handles the service's answer about the session that the cookie holds.
func (s *Stream) verified(r *LookupResult, shared bool, now time.Time) Action {
	switch {
	case r.status == noAnswer:
	case r.status == noSession:
		// Its cookie is valid to an upstream that checks the signature alone.
		s.dropped = true
		return s.missing()
	case r.answers(s.handle):
		s.cookieSession.attribute(r)
		s.tokens = &r.tokens
		return s.lookedUp(s.cookieSession, now)
	case shared:
		return s.waitFor(forVerifyAlone, s.verifyCallout(s.route.Identity.Token.Wanted()))
	}
	return s.lookedUp(NoAnswer, now)
}

// revokeCallout ends the session of a handle, whatever copies there are of its cookie, for one of
// api.Reasons.
func (s *Stream) revokeCallout(of *revocationHandle, reason string) Callout {
	body := rawjson.AppendString([]byte(`{"key":`), of.ID)
	body = strconv.AppendInt(append(body, `,"age":`...), int64(s.route.Expiry.Policy.Age/time.Second)+1, 10)
	body = append(append(append(body, `,"reason":"`...), reason...), `","signed":`...)
	body = rawjson.AppendString(body, of.text)
	return NewCallout(&s.route.Service, api.Flush, string(append(body, '}')))
}
