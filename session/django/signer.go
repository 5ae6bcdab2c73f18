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
	// ErrSignature is the error of a text that none of the keys signed.
	ErrSignature = fmt.Errorf("%w: django: signature does not match", session.ErrUnreadable)
	// ErrFormat is the error of a text that one of the keys signed, but that is not in a known
	// form of Django's.
	ErrFormat = fmt.Errorf("%w: django: not of Django's form", session.ErrOpaque)
	// ErrNoKey is the error of a missing SECRET_KEY.
	ErrNoKey = errors.New("django: SECRET_KEY is empty")
)

// separator is Signer's default sep.
const separator = ":"

// Signer is django.core.signing.TimestampSigner with its default algorithm,
// SHA-256. Its zero value verifies nothing and signs nothing.
type Signer struct {
	keys [][]byte // derived; the first one signs new values
}

// NewSigner returns a signer for one salt with SECRET_KEY and SECRET_KEY_FALLBACKS. The only error
// is ErrNoKey: none of them may be empty.
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

// Unsign checks the signature in constant time against each key, and returns the value and when it
// was signed. The caller must check its age.
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

// decodeBase62 parses up to ten digits, more than any date that Django can write has.
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
