package django

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"cloakroom/session"
)

var (
	// ErrSignature says that a text was signed by none of the keys.
	ErrSignature = fmt.Errorf("%w: django: signature does not match", session.ErrUnreadable)
	// ErrFormat says that a text, though signed by one of the keys, is not of
	// Django's form as far as it is known here.
	ErrFormat = fmt.Errorf("%w: django: not of Django's form", session.ErrOpaque)
	// ErrNoKey says that there is no SECRET_KEY to sign or to verify with.
	ErrNoKey = errors.New("django: SECRET_KEY is empty")
)

// separator is Signer's default sep.
const separator = ":"

// Signer is django.core.signing.TimestampSigner with its default algorithm,
// SHA-256. Its zero value verifies nothing and signs nothing.
type Signer struct {
	keys [][]byte // derived; the first one signs
}

// NewSigner makes a signer for one salt from SECRET_KEY and
// SECRET_KEY_FALLBACKS. The only error is ErrNoKey: none of them may be empty.
func NewSigner(salt, secret string, fallbacks ...string) (*Signer, error) {
	s := &Signer{}
	for _, key := range append([]string{secret}, fallbacks...) {
		if key == "" {
			return nil, ErrNoKey
		}
		s.keys = append(s.keys, deriveKey(salt+"signer", key))
	}
	return s, nil
}

// deriveKey is the key derivation of django.utils.crypto.salted_hmac.
func deriveKey(salt, secret string) []byte {
	sum := sha256.Sum256([]byte(salt + secret))
	return sum[:]
}

func signature(key []byte, value string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(value))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Sign appends a timestamp and a signature to value, in base 62 and base64.
func (s *Signer) Sign(value string, now time.Time) (string, error) {
	if s == nil || len(s.keys) == 0 {
		return "", ErrNoKey
	}
	value += separator + encodeBase62(now.Unix())
	return value + separator + signature(s.keys[0], value), nil
}

// Unsign checks the signature in constant time against each key and gives the
// value and when it was signed. How old it may be is for the caller to say.
func (s *Signer) Unsign(signed string) (value string, at time.Time, err error) {
	if s == nil || len(s.keys) == 0 {
		return "", time.Time{}, ErrNoKey
	}
	end := strings.LastIndex(signed, separator)
	if end < 0 || !s.verify(signed[:end], signed[end+1:]) {
		return "", time.Time{}, ErrSignature
	}
	stamped := signed[:end]
	end = strings.LastIndex(stamped, separator)
	if end < 0 {
		return "", time.Time{}, ErrFormat
	}
	seconds, ok := decodeBase62(stamped[end+1:])
	if !ok {
		return "", time.Time{}, ErrFormat
	}
	return stamped[:end], time.Unix(seconds, 0).UTC(), nil
}

func (s *Signer) verify(value, given string) bool {
	for _, key := range s.keys {
		if hmac.Equal([]byte(signature(key, value)), []byte(given)) {
			return true
		}
	}
	return false
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func encodeBase62(n int64) string {
	if n < 0 {
		return "-" + encodeBase62(-n)
	}
	digits := string(base62[n%62])
	for n /= 62; n > 0; n /= 62 {
		digits = string(base62[n%62]) + digits
	}
	return digits
}

// decodeBase62 takes up to ten digits, which reach beyond any date that Django
// can write.
func decodeBase62(text string) (n int64, ok bool) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 10 {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		digit := strings.IndexByte(base62, digits[i])
		if digit < 0 {
			return 0, false
		}
		n = n*62 + int64(digit)
	}
	if len(digits) < len(text) {
		n = -n
	}
	return n, true
}
