package session

import "io"

// KeyLength is the length of a session key: 32 characters of [a-z0-9], which
// is 165 bits (django.contrib.sessions.backends.base.SessionBase._get_new_session_key).
const KeyLength = 32

const keyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// ValidKey reports whether k can be a key that Django made. A false answer
// needs no look-up: no store holds such a session.
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

// KeyHash gives what stands for a key where the key itself must not: FNV-1a, 64
// bits. Two keys may have one hash; nothing may follow from it but another look
// at the store.
func KeyHash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(key); i++ {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return h
}
