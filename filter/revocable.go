package filter

import (
	"strconv"
	"time"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// verifyPath asks the session service whether a session that is kept in its cookie was
// revoked.
const verifyPath = "/v1/verify"

// subject is by what a session that is kept in its cookie can be revoked.
type subject struct {
	session.Signed
	text string
}

// subjectOf reads what stands in the data of a user's session; nil where it is nothing, or
// another user's.
func subjectOf(raw, user string) *subject {
	text, ok := rawjson.String(raw)
	if !ok {
		return nil
	}
	of, ok := session.ParseSigned(text)
	if !ok || of.User != user {
		return nil
	}
	return &subject{of, text}
}

// newSubject is that of a session in whose cookie none stands yet, or that has become
// another user's.
func newSubject(cookie string, r *record) *subject {
	text, _ := rawjson.String(value(r.members(), session.SignedKey))
	of, ok := session.ParseSigned(text)
	if !ok {
		of.ID = session.SignedID(cookie)
	}
	of.Since, of.User = r.seen.Unix(), r.user
	return &subject{of, of.String()}
}

// withSubject signs a session again with its subject in it, and with the time that it
// was signed at: what comes of it follows from the cookie alone.
func (s *Stream) withSubject(r *record, of *subject) (*record, error) {
	patch := rawjson.AppendString(appendName([]byte{'{'}, session.SignedKey), of.text)
	data := rawjson.MergePatch(r.text, string(append(patch, '}')))
	cookie, err := s.route.Signed.codec.Encode([]byte(data), r.seen)
	if err != nil {
		return r, err
	}
	if len(s.route.Cookie.Name)+len(cookie) > maxCookieBytes {
		return r, errCookieTooLong
	}
	signed := signedRecord(data, s.route, r.seen)
	signed.key = cookie
	return signed, nil
}

// verify has a session that its cookie holds, and asks whether it was revoked.
func (s *Stream) verify(r *record, now time.Time) Action {
	warning := ""
	if r.signed == nil {
		if r.stamped == nil {
			of := newSubject(s.key, r)
			stamped, err := s.withSubject(r, of)
			if err != nil {
				warning = "a session can be revoked by the cookie that it has now and by no later one: " + err.Error()
			}
			kept := *stamped
			kept.signed = of
			r.stamped = &kept
			s.route.Signed.verified.grow(s.key, sizeOf(kept.key, &kept))
		}
		r = r.stamped
	}
	s.kept, s.subject = r, r.signed
	var action Action
	if known, ok := s.memory.fresh(s.subject.ID, &s.route.Service.Cache, now); ok && known.record.answers(s.subject) {
		action = s.verified(known.record, now)
	} else {
		s.waiting = forVerify
		action = s.waitFor(s.subject.ID, s.verifyCallout())
	}
	action.Warning += warning
	return action
}

func (s *Stream) verifyCallout() Callout {
	body := rawjson.AppendString([]byte(`{"signed":`), s.subject.text)
	body = strconv.AppendInt(append(body, `,"expires":`...), s.route.Expiry.end(s.kept).Unix(), 10)
	return s.route.Service.callout(verifyPath, string(append(body, '}')))
}

// answers reports whether what is known was said of this subject, and not of the same
// session at another time.
func (r *record) answers(of *subject) bool {
	return r.verdict == noSession || (r.signed != nil && r.signed.text == of.text)
}

// verified has the service's word on the session that the cookie holds.
func (s *Stream) verified(r *record, now time.Time) Action {
	switch {
	case r.verdict == noAnswer:
		if old, ok := s.memory.stale(s.subject.ID, &s.route.Service.Cache, now); ok && old.answers(s.subject) && s.route.OnUnavailable == UnavailableStale {
			action := s.lookedUp(s.kept, now)
			if action.Outcome == Admitted {
				action.Outcome = Stale
			}
			return action
		}
		return s.lookedUp(unknown, now)
	case r.verdict == noSession:
		return s.revokedBefore()
	case !r.answers(s.subject):
		// Another request's answer was shared. Alone, then.
		s.waiting = forVerify
		return s.waitFor("", s.verifyCallout())
	}
	return s.lookedUp(s.kept, now)
}

// revokedBefore handles a session that was revoked. Its cookie is good for whoever looks
// at the signature alone: the upstream does not get it, and the browser loses it.
func (s *Stream) revokedBefore() Action {
	s.revoked = true
	action := s.missing()
	if action.Verdict == Deny {
		action.Reply.Headers = append(action.Reply.Headers, [2]string{"set-cookie", s.route.Cookie.Delete()})
	}
	return action
}

// revokeCallout ends the session of a subject, whatever copies there are of its cookie.
func (s *Stream) revokeCallout(of *subject) Callout {
	body := rawjson.AppendString([]byte(`{"key":`), of.ID)
	body = strconv.AppendInt(append(body, `,"age":`...), int64(s.route.Expiry.Policy.Age/time.Second)+1, 10)
	return s.route.Service.callout(flushPath, string(append(body, '}')))
}
