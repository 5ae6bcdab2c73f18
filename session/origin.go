package session

import (
	"bytes"
	"slices"
	"strings"

	"cloakroom/session/rawjson"
)

// Origin is the stored form of a session whose Data does not show all of it: values that JSON
// cannot represent, such as a tuple or NaN, and values that are withheld. A write of the session
// with its Origin keeps them; without it, only Data is written.
//
// An Origin is immutable, and may be shared.
type Origin struct {
	// Text is the stored document, in the form of its store.
	Text string
	// Withheld are the values that Data omits, in their order.
	Withheld []Withheld
	// Removed are the keys of withheld values that a write removes.
	Removed []string
	// Inexact reports that Data shows a number as null that JSON has not: NaN, an infinity.
	Inexact bool
}

// Withheld is a value of the session that JSON cannot show.
type Withheld struct {
	Key string // empty if JSON cannot represent it
	Why string // the Python type, or another reason
}

// Partial reports whether Data differs from what json.dumps writes for the session.
func (o *Origin) Partial() bool { return o != nil && (o.Inexact || len(o.Withheld) > 0) }

// Withholds reports whether the value under a key is withheld.
func (o *Origin) Withholds(key string) bool {
	return o != nil && key != "" && slices.ContainsFunc(o.Withheld, func(w Withheld) bool { return w.Key == key })
}

// Patched returns the origin of a session after a merge patch (RFC 7396) of its data, without the
// withheld values that the patch removes.
func (o *Origin) Patched(patch string) *Origin {
	if o == nil || len(o.Withheld) == 0 {
		return o
	}
	members, err := rawjson.Object(patch, nil)
	if err != nil {
		return o
	}
	var removed []string
	for _, m := range members {
		if m.Value == "null" && o.Withholds(m.Name) && !slices.Contains(o.Removed, m.Name) {
			removed = append(removed, m.Name)
		}
	}
	if removed == nil {
		return o
	}
	patched := *o
	patched.Removed = append(slices.Clip(o.Removed), removed...)
	return &patched
}

// same reports whether two origins lead to the same write.
func (o *Origin) same(p *Origin) bool {
	if o == nil || p == nil {
		return o == p
	}
	return o == p || o.Text == p.Text && slices.Equal(o.Removed, p.Removed)
}

// SameData reports whether two sessions hold the same values, including those that are not shown.
func (s Session) SameData(t Session) bool {
	return bytes.Equal(s.Data, t.Data) && s.Origin.same(t.Origin)
}

// The keys under which Django keeps the backend of a login and a hash of the user's password
// (django.contrib.auth.BACKEND_SESSION_KEY, HASH_SESSION_KEY).
const (
	BackendKey = "_auth_user_backend"
	HashKey    = "_auth_user_hash"
)

// OwnPrefix is the prefix of the keys of the session's data that are Cloakroom's own.
const OwnPrefix = "_cloakroom_"

// Essential reports whether the value under a key is needed to use a session: those of Django's
// login, of the session's expiry, and Cloakroom's own.
func Essential(key string) bool {
	switch key {
	case UserKey, BackendKey, HashKey, ExpiryKey:
		return true
	}
	return strings.HasPrefix(key, OwnPrefix)
}
