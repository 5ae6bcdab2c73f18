package filter

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/rawjson"
)

// Signed is the engine that keeps a session whole in its cookie
// (django.contrib.sessions.backends.signed_cookies): it is verified, read and
// signed again in place, with no callout.
type Signed struct {
	SecretKey string   // secret
	Fallbacks []string // secret

	// Revocable has the session service asked whether a session was revoked.
	Revocable bool

	codec *django.CookieCodec // nil: this is not the route's engine
	// verified are cookies that were found good, so that the same one is not
	// verified for each request. It follows from the cookie alone what it
	// holds: this changes no decision.
	verified *Cache
}

// The bounds of Signed.verified.
const (
	verifiedEntries = 10_000
	verifiedBytes   = 8 << 20
)

// maxSignedBytes bounds a session's JSON. What fits a cookie unpacks to more
// only if somebody who has the SECRET_KEY wants it to.
const maxSignedBytes = 64 << 10

// maxCookieBytes is the longest name and value that browsers keep (RFC 6265bis
// section 5.6). A longer cookie is dropped without a word, and the person with
// it sent to the login page for ever.
const maxCookieBytes = 4096

// errCookieTooLong says what to do about it.
var errCookieTooLong = errors.New("the session is too large for a cookie: name and value would be over " +
	strconv.Itoa(maxCookieBytes) + " bytes, and browsers drop such cookies; keep less in it, or use engine.service")

// prepare makes the codec of a configured engine.
func (e *Signed) prepare() (err error) {
	e.codec, e.verified = nil, nil
	if e.SecretKey != "" || len(e.Fallbacks) > 0 {
		e.codec, err = django.NewCookieCodec(maxSignedBytes, e.SecretKey, e.Fallbacks...)
		e.verified = NewCache(verifiedEntries, verifiedBytes)
	}
	return err
}

// inUse reports whether the route's sessions are in cookies.
func (e *Signed) inUse() bool { return e.codec != nil }

// readSigned gives the session that a cookie holds, any doubt being none, and the cookie
// in memory that is not the caller's.
func (route *Route) readSigned(cookie string, now time.Time) (r *record, own string) {
	e := &route.Signed
	if known, ok := e.verified.get(cookie); ok {
		return known.record, known.key // its end is looked at as any session's
	}
	own = strings.Clone(cookie)
	data, at, err := e.codec.Decode(own, route.Expiry.Policy.Age, now)
	if err != nil {
		return none, own
	}
	r = signedRecord(string(data), route, at)
	if r.verdict == liveSession {
		e.verified.put(own, r, now)
	}
	return r, own
}

// signedRecord is a session that was signed at a time. Django looks at
// SESSION_COOKIE_AGE alone; an earlier end of the session's own holds here too.
func signedRecord(data string, route *Route, at time.Time) *record {
	policy := &route.Expiry.Policy
	r := newRecord(data, at.Add(policy.Age), route)
	if r.verdict != liveSession {
		return none
	}
	own, _ := policy.End(r.expiry, at)
	r.expires = earlier(r.expires, own)
	r.seen = at
	if r.created.IsZero() {
		r.created = at
	}
	return r
}

// sign makes the stream's session data, signed now; its cookie is then
// Stream.cookie.
func (s *Stream) sign(data string, now time.Time) error {
	if s.route.Expiry.Absolute > 0 {
		data = s.withCreated(data, now)
	}
	value, err := s.route.Signed.codec.Encode([]byte(data), now)
	if err != nil {
		return err
	}
	if len(s.route.Cookie.Name)+len(value) > maxCookieBytes {
		return errCookieTooLong
	}
	s.key, s.record = value, signedRecord(data, s.route, now)
	return nil
}

// withCreated keeps when the session began in its data.
func (s *Stream) withCreated(data string, now time.Time) string {
	members, err := rawjson.Object(data, nil)
	if err != nil || !stamp(value(members, session.CreatedKey)).IsZero() {
		return data
	}
	if s.record != nil && !s.record.created.IsZero() {
		now = s.record.created
	}
	patch := strconv.AppendInt(appendName([]byte{'{'}, session.CreatedKey), now.Unix(), 10)
	return rawjson.MergePatch(data, string(append(patch, '}')))
}

// updateSigned performs what the upstream asks for.
func (s *Stream) updateSigned(u change, now time.Time) Action {
	data := "{}"
	if s.live() {
		data = s.record.text
	}
	if u.login != "" {
		data = loggedInData(data, u.login)
		s.record = none // the session begins anew
	}
	if u.patch != "" {
		data = rawjson.MergePatch(data, u.patch)
	}
	if err := s.sign(data, now); err != nil {
		return s.refuseUpdate(err)
	}
	return Action{Verdict: Continue, Outcome: Updated, Edits: append(s.edits, Edit{Add, "set-cookie", s.cookie(now)})}
}

// loggedInData is the data after a login: another user's data goes. The hash
// that Django wants besides needs the user's account, which a proxy has not.
func loggedInData(data, user string) string {
	members, err := rawjson.Object(data, nil)
	before, isText := rawjson.String(value(members, loginKeys[0]))
	if err != nil || (isText && before != user) {
		data = "{}"
	}
	patch := append(appendName([]byte{'{'}, loginKeys[0]), rawjson.AppendString(nil, user)...)
	patch = append(appendName(append(patch, ','), loginKeys[2]), "null"...)
	patch = append(appendName(append(patch, ','), session.SignedKey), "null"...)
	patch = append(appendName(append(patch, ','), session.CreatedKey), "null}"...)
	return rawjson.MergePatch(data, string(patch))
}
