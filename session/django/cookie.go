package django

import (
	"errors"
	"fmt"
	"time"

	"cloakroom/session"
)

// CookieSalt is the salt of the signed_cookies engine
// (django.contrib.sessions.backends.signed_cookies).
const CookieSalt = "django.contrib.sessions.backends.signed_cookies"

// ErrTooOld says that a value was signed longer ago than it may be.
var ErrTooOld = errors.New("django: signed too long ago")

// CookieCodec reads and writes the session cookie of the signed_cookies
// engine, which holds the whole session. Its zero value reads nothing.
type CookieCodec struct {
	signer *Signer
	limit  int
}

// NewCookieCodec makes the codec of a project with these SECRET_KEY and
// SECRET_KEY_FALLBACKS. Sessions of more than limit bytes of JSON are refused,
// before more than that is in memory. The only error is ErrNoKey: none of the
// keys may be empty.
func NewCookieCodec(limit int, secret string, fallbacks ...string) (*CookieCodec, error) {
	signer, err := NewSigner(CookieSalt, secret, fallbacks...)
	if err != nil {
		return nil, err
	}
	return &CookieCodec{signer: signer, limit: limit}, nil
}

// Encode is SessionStore._get_session_key: data, which must be a JSON object
// (else ErrJSON), compressed if that is shorter, signed at now.
func (c *CookieCodec) Encode(data []byte, now time.Time) (string, error) {
	data, err := Canonical(data)
	switch {
	case err != nil:
		return "", err
	case len(data) > c.limit:
		return "", session.ErrTooLarge
	}
	return c.signer.Dumps(data, now)
}

// Decode is SessionStore.load with SESSION_COOKIE_AGE as age: it verifies
// value and gives the JSON object in it, in canonical form, and when it was
// signed. Errors wrap session.ErrUnreadable (ErrSignature, ErrFormat) or are
// ErrTooOld or session.ErrTooLarge.
func (c *CookieCodec) Decode(value string, age time.Duration, now time.Time) (data []byte, at time.Time, err error) {
	raw, at, err := c.signer.Loads(value, c.limit)
	switch {
	case err != nil:
		return nil, at, err
	case now.Sub(at) > age:
		return nil, at, ErrTooOld
	}
	if data, err = canonical(latin1(raw), true); err != nil {
		return nil, at, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(data) > c.limit {
		return nil, at, session.ErrTooLarge
	}
	return data, at, nil
}
