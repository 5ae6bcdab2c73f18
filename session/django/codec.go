package django

import (
	"fmt"
	"time"

	"cloakroom/session"
)

// SessionSalt is the salt of SessionBase.encode in the db and cached_db
// engines (SessionBase.key_salt of a class named SessionStore).
const SessionSalt = "django.contrib.sessions.SessionStore"

// Codec is SessionBase.encode and SessionBase.decode: the text that stands in
// django_session.session_data. A nil Codec has no key: it fails with ErrNoKey.
type Codec struct {
	signer *Signer
	limit  int
}

// NewCodec makes the codec of a project with these SECRET_KEY and
// SECRET_KEY_FALLBACKS, and with Limit. The only error is ErrNoKey.
func NewCodec(secret string, fallbacks ...string) (*Codec, error) {
	signer, err := NewSigner(SessionSalt, secret, fallbacks...)
	if err != nil {
		return nil, err
	}
	return &Codec{signer: signer, limit: Limit}, nil
}

// Rotating reports whether there are fallback keys: then what they signed
// should be written again before they are taken away.
func (c *Codec) Rotating() bool { return c != nil && len(c.signer.keys) > 1 }

// Encode signs data, which must be a JSON object (else ErrJSON) of at most
// Limit bytes in its canonical form (else session.ErrTooLarge).
func (c *Codec) Encode(data []byte, now time.Time) (string, error) {
	if c == nil {
		return "", ErrNoKey
	}
	data, err := Canonical(data)
	switch {
	case err != nil:
		return "", err
	case len(data) > c.limit:
		return "", session.ErrTooLarge
	}
	return c.signer.Dumps(data, now)
}

// Decode verifies text and gives the JSON object in it, in canonical form. Its
// errors wrap session.ErrUnreadable (ErrSignature, ErrFormat) or are
// session.ErrTooLarge or ErrNoKey.
//
// It reads what Python's json module reads: of names that stand twice the last
// counts. NaN and the infinities, which JSON lacks, become null.
func (c *Codec) Decode(text string) ([]byte, error) {
	if c == nil {
		return nil, ErrNoKey
	}
	raw, _, err := c.signer.Loads(text, c.limit)
	if err != nil {
		return nil, err
	}
	data, err := canonical(latin1(raw), true)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	case len(data) > c.limit:
		return nil, session.ErrTooLarge
	}
	return data, nil
}

// latin1 decodes data as JSONSerializer.loads does.
func latin1(data []byte) []byte {
	for i, c := range data {
		if c < 0x80 {
			continue
		}
		runes := make([]rune, 0, len(data)-i)
		for _, c := range data[i:] {
			runes = append(runes, rune(c))
		}
		return append(data[:i:i], string(runes)...)
	}
	return data
}
