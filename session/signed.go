package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"cloakroom/session/rawjson"
)

// SignedKey is the key of the data of a session that is kept in its cookie (Django's
// signed_cookies) that holds its revocation handle: a Signed as text.
const SignedKey = "_cloakroom_signed"

// Signed is the revocation handle of a session that is kept in its cookie. No store holds such a
// session; the store holds its revocation.
type Signed struct {
	// ID identifies the session across changes of its cookie. It has the form of a session key and
	// gives no access.
	ID string
	// Since is when the user logged in to the session, in Unix seconds.
	Since int64
	// User is the user's id; empty for an anonymous visitor's.
	User string
}

// String returns the value of SignedKey.
func (s Signed) String() string {
	return s.ID + " " + strconv.FormatInt(s.Since, 10) + " " + s.User
}

// ParseSigned parses what String returns.
func ParseSigned(text string) (s Signed, ok bool) {
	id, rest, _ := strings.Cut(text, " ")
	since, user, ok := strings.Cut(rest, " ")
	if !ok || !ValidKey(id) {
		return Signed{}, false
	}
	seconds, err := strconv.ParseInt(since, 10, 64)
	if err != nil || seconds < 0 {
		return Signed{}, false
	}
	return Signed{id, seconds, user}, true
}

// SignedID returns the ID of a cookie that holds none yet.
func SignedID(cookie string) string { return digest("signed cookie ", cookie) }

// revokedKey is the key, in the data that an earlier build stored as a session, of the time until
// which sessions were revoked, in Unix seconds.
const revokedKey = "_cloakroom_revoked"

// IsRevocation reports whether data that a store returned is not a session but a revocation that
// an earlier build stored, and until when.
func IsRevocation(data []byte) (until int64, is bool) {
	if !bytes.Contains(data, []byte(`"`+revokedKey+`"`)) {
		return 0, false // the usual case
	}
	members, err := rawjson.Object(string(data), nil)
	if err != nil {
		return 0, false
	}
	for _, m := range members {
		if m.Name == revokedKey {
			return number(m.Value), true
		}
	}
	return 0, false
}

// digest returns a hash in the form of a session key.
func digest(purpose, text string) string {
	sum := sha256.Sum256([]byte(purpose + text))
	return hex.EncodeToString(sum[:])[:KeyLength]
}
