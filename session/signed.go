package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
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

// SignedID gives the ID of a cookie that has none in it yet.
func SignedID(cookie string) string { return digest("signed cookie ", cookie) }

// RevokedSession and RevokedUser give the keys under which a store keeps that a session
// with this Signed.ID, or all sessions of a user until a time, were revoked.
func RevokedSession(id string) string { return digest("revoked session ", id) }

// RevokedUser is described at RevokedSession.
func RevokedUser(user string) string { return digest("revoked user ", user) }

// RevokedKey is the key, in the data of what is stored there, of until when in Unix
// seconds. What has it is no session.
const RevokedKey = "_cloakroom_revoked"

// IsRevocation reports whether data that a store gave is no session's.
func IsRevocation(data []byte) bool {
	if !bytes.Contains(data, []byte(`"`+RevokedKey+`"`)) {
		return false // as nearly all are
	}
	members, err := rawjson.Object(string(data), nil)
	return err != nil || slices.ContainsFunc(members, func(m rawjson.Member) bool { return m.Name == RevokedKey })
}

// digest has the form of a session key.
func digest(purpose, text string) string {
	sum := sha256.Sum256([]byte(purpose + text))
	return hex.EncodeToString(sum[:])[:KeyLength]
}
