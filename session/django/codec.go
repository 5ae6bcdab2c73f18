package django

import (
	"time"

	"cloakroom/session"
)

// SessionSalt is the salt of SessionBase.encode in the db and cached_db
// engines (SessionBase.key_salt of a class named SessionStore).
const SessionSalt = "django.contrib.sessions.SessionStore"

// Codec encodes and decodes django_session.session_data, as SessionBase.encode and
// SessionBase.decode do. A nil Codec has no key: it fails with ErrNoKey.
type Codec struct {
	signer *Signer
	limit  int
	zone   *time.Location
}

// In returns the codec of a project with USE_TZ = False and this TIME_ZONE, in which its sessions'
// dates are. A nil zone, the default, is that of a project with USE_TZ = True.
func (c *Codec) In(zone *time.Location) *Codec {
	if c == nil {
		return nil
	}
	in := *c
	in.zone = zone
	return &in
}

// NewCodec returns the codec of a project with these SECRET_KEY and SECRET_KEY_FALLBACKS, and with
// Limit. The only error is ErrNoKey.
func NewCodec(secret string, fallbacks ...string) (*Codec, error) {
	signer, err := NewSigner(SessionSalt, secret, fallbacks...)
	if err != nil {
		return nil, err
	}
	return &Codec{signer: signer, limit: Limit}, nil
}

// Rotating reports whether there are fallback keys. Sessions that they signed should be written
// again before the keys are removed.
func (c *Codec) Rotating() bool { return c != nil && len(c.signer.keys) > 1 }

// Encode signs data, which must be a JSON object (else ErrJSON) of at most
// Limit bytes in its canonical form (else session.ErrTooLarge).
func (c *Codec) Encode(data []byte, now time.Time) (string, error) { return c.Write(data, nil, now) }

// Write is Encode for data that was read with an origin, and keeps the origin's values. It fails
// with session.ErrUnwritable if data changes a value that JSON cannot represent.
func (c *Codec) Write(data []byte, origin *session.Origin, now time.Time) (string, error) {
	if c == nil {
		return "", ErrNoKey
	}
	document, err := write(session.Stored(data, c.zone), origin, c.limit)
	if err != nil {
		return "", err
	}
	return c.signer.Dumps(document, now)
}

// Decode is Read without the origin, for data that is not written back.
func (c *Codec) Decode(text string) (data []byte, err error) {
	data, _, err = c.Read(text)
	return data, err
}

// Read verifies text and returns the JSON object in it, in canonical form, and its origin if the
// JSON does not show all of it. Errors wrap session.ErrUnreadable (ErrSignature, ErrFormat) or are
// session.ErrTooLarge or ErrNoKey.
//
// It accepts what Python's json module accepts: of repeated names the last counts, NaN and the
// infinities, which JSON lacks, are shown as null, and members nested deeper than MaxDepth are
// withheld.
func (c *Codec) Read(text string) (data []byte, origin *session.Origin, err error) {
	if c == nil {
		return nil, nil, ErrNoKey
	}
	raw, _, err := c.signer.Loads(text, c.limit)
	if err != nil {
		return nil, nil, err
	}
	data, origin, err = read(raw, c.limit)
	return session.Shown(data, c.zone), origin, err
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
