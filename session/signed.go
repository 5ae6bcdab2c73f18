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
// signed_cookies) under which stands by what it can be revoked: a Signed as text.
const SignedKey = "_cloakroom_signed"

// Signed is by what a session that is kept in its cookie can be revoked. Nobody stores
// such a session; what is stored is that it was revoked.
type Signed struct {
	// ID stands for the session, whatever its cookie becomes: it has the form of a
	// session key and opens nothing.
	ID string
	// Since is when the session became the user's, in Unix seconds.
	Since int64
	// User is the user's id; empty: nobody's.
	User string
}

// String is what stands under SignedKey.
func (s Signed) String() string {
	return s.ID + " " + strconv.FormatInt(s.Since, 10) + " " + s.User
}

// ParseSigned reads what String wrote.
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

// SignedID returns the ID of a cookie that has none in it yet.
func SignedID(cookie string) string { return digest("signed cookie ", cookie) }

// revokedKey is the key, in the data of what an earlier build stored as a session, of until
// when sessions were revoked, in Unix seconds.
const revokedKey = "_cloakroom_revoked"

// IsRevocation reports whether data that a store returned is no session's but a revocation of
// an earlier build's, and until when.
func IsRevocation(data []byte) (until int64, is bool) {
	if !bytes.Contains(data, []byte(`"`+revokedKey+`"`)) {
		return 0, false // as nearly all are
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

// digest has the form of a session key.
func digest(purpose, text string) string {
	sum := sha256.Sum256([]byte(purpose + text))
	return hex.EncodeToString(sum[:])[:KeyLength]
}
