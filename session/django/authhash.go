package django

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// authHashSalt is the key_salt of AbstractBaseUser.get_session_auth_hash
// (django.contrib.auth.base_user).
const authHashSalt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"

// AuthHasher computes what Django keeps under _auth_user_hash: an HMAC-SHA256 of the stored
// password in hexadecimal. Its zero value verifies nothing.
type AuthHasher struct {
	keys [][]byte // derived; the first one hashes
}

// NewAuthHasher returns the hasher of a project with these SECRET_KEY and SECRET_KEY_FALLBACKS.
// The only error is ErrNoKey: none of them may be empty.
func NewAuthHasher(secret string, fallbacks ...string) (*AuthHasher, error) {
	h := &AuthHasher{}
	for _, key := range append([]string{secret}, fallbacks...) {
		if key == "" {
			return nil, ErrNoKey
		}
		h.keys = append(h.keys, deriveKey(authHashSalt, key))
	}
	return h, nil
}

// Hash returns the session hash of an account's stored password, as get_session_auth_hash does.
func (h *AuthHasher) Hash(password string) string { return authHash(h.keys[0], password) }

// Verify reports whether hash was made of password with one of the keys
// (django.contrib.auth.get_user). It compares in constant time.
func (h *AuthHasher) Verify(password, hash string) bool {
	for _, key := range h.keys {
		if hmac.Equal([]byte(authHash(key, password)), []byte(hash)) {
			return true
		}
	}
	return false
}

func authHash(key []byte, password string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(password))
	return hex.EncodeToString(mac.Sum(nil))
}
