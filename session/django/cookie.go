package django

import (
	"errors"
	"time"

	"cloakroom/session"
)

// CookieSalt is the salt of the signed_cookies engine
// (django.contrib.sessions.backends.signed_cookies).
const CookieSalt = "django.contrib.sessions.backends.signed_cookies"

// ErrTooOld is the error of a value whose signature is older than the maximum age.
var ErrTooOld = errors.New("django: signed too long ago")

// CookieCodec reads and writes the session cookie of the signed_cookies
// engine, which holds the whole session. Its zero value reads nothing.
type CookieCodec struct {
	signer *Signer
	limit  int
}

// NewCookieCodec returns the codec of a project with these SECRET_KEY and SECRET_KEY_FALLBACKS.
// Sessions of more than limit bytes of JSON are rejected, before more than that is in memory. The
// only error is ErrNoKey: none of the keys may be empty.
func NewCookieCodec(limit int, secret string, fallbacks ...string) (*CookieCodec, error) {
	signer, err := NewSigner(CookieSalt, secret, fallbacks...)
	if err != nil {
		return nil, err
	}
	return &CookieCodec{signer: signer, limit: limit}, nil
}

// Encode returns the cookie for data, as SessionStore._get_session_key does: data, which must be a
// JSON object (else ErrJSON), compressed if that is shorter, signed at now.
func (c *CookieCodec) Encode(data []byte, now time.Time) (string, error) {
	return c.Write(data, nil, now)
}

// Write is Encode for data that was read with an origin, and keeps the origin's values. It fails
// with session.ErrUnwritable if data changes a value that JSON cannot represent.
func (c *CookieCodec) Write(data []byte, origin *session.Origin, now time.Time) (string, error) {
	document, err := write(data, origin, c.limit)
	if err != nil {
		return "", err
	}
	return c.signer.Dumps(document, now)
}

// Decode is Read without the origin, for data that is not written back.
func (c *CookieCodec) Decode(value string, age time.Duration, now time.Time) (data []byte, at time.Time, err error) {
	data, _, at, err = c.Read(value, age, now)
	return data, at, err
}

// Read decodes a cookie as SessionStore.load does, with SESSION_COOKIE_AGE as age: it verifies
// value and returns the JSON object in it, in canonical form, its origin if the JSON does not show
// all of it (see Codec.Read), and when it was signed. Errors wrap session.ErrUnreadable
// (ErrSignature, ErrFormat) or are ErrTooOld or session.ErrTooLarge.
func (c *CookieCodec) Read(value string, age time.Duration, now time.Time) (data []byte, origin *session.Origin, at time.Time, err error) {
	raw, at, err := c.signer.Loads(value, c.limit)
	switch {
	case err != nil:
		return nil, nil, at, err
	case now.Sub(at) > age:
		return nil, nil, at, ErrTooOld
	}
	data, origin, err = read(raw, c.limit)
	return data, origin, at, err
}
