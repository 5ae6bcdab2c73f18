package session

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// KeyLength is the length of a session key: 32 characters of [a-z0-9], which
// is 165 bits (django.contrib.sessions.backends.base.SessionBase._get_new_session_key).
const KeyLength = 32

const keyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// ValidKey reports whether k can be a key that Django made. If not, no lookup is needed: no store
// holds such a session.
func ValidKey(k string) bool {
	if len(k) != KeyLength {
		return false
	}
	for i := 0; i < len(k); i++ {
		if c := k[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// NewKey draws a key from random, which must be a cryptographic source such as
// crypto/rand.Reader. The only errors are those of random.
func NewKey(random io.Reader) (string, error) {
	// Bytes at or over the largest multiple of the alphabet's size are drawn
	// again, so that every character is equally likely.
	const limit = 256 - 256%len(keyAlphabet)
	key := make([]byte, 0, KeyLength)
	var draw [2 * KeyLength]byte
	for len(key) < KeyLength {
		if _, err := io.ReadFull(random, draw[:]); err != nil {
			return "", err
		}
		for _, b := range draw {
			if int(b) < limit && len(key) < KeyLength {
				key = append(key, keyAlphabet[int(b)%len(keyAlphabet)])
			}
		}
	}
	return string(key), nil
}

// idLength makes collisions of IDs improbable.
const idLength = 16

// ID returns the ID that operators use for the session with this key. It is derived from the key,
// gives no access, and may be logged.
func ID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])[:idLength]
}

// IsID reports whether text has the form of an ID.
func IsID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == idLength
}

// KeyHash returns the hash that replaces a key where the key itself must not appear: MurmurHash64A
// with seed 0, which processes eight bytes at a time, since filters hash a key for every request.
// Two keys may have the same hash, so a match must cause no more than another lookup. Filters and
// session services must use the same hash (SessionEvent).
func KeyHash(key string) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := uint64(len(key)) * m
	for ; len(key) >= 8; key = key[8:] {
		k := (uint64(key[0]) | uint64(key[1])<<8 | uint64(key[2])<<16 | uint64(key[3])<<24 |
			uint64(key[4])<<32 | uint64(key[5])<<40 | uint64(key[6])<<48 | uint64(key[7])<<56) * m
		h = (h ^ (k^k>>r)*m) * m
	}
	if len(key) > 0 {
		rest := uint64(0)
		for i := 0; i < len(key); i++ {
			rest |= uint64(key[i]) << (8 * i)
		}
		h = (h ^ rest) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}
