package filter

import (
	"strconv"
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// A signed cookie's marks are its handle (session.SignedKey), by which it can be revoked, and
// when its session began (session.CreatedKey), from which the absolute limit counts. What
// Django signs anew has neither where it came by a way on which the filter does not mark
// requests, and a session that was revoked or has ended would begin anew with it. Hence every
// cookie of the session that passes to a client is marked, whatever the route's mode, or does
// not pass.

// marked signs data at a time, with the marks of the stream's session in it where it has none.
// It returns the cookie and the data in it.
func (s *Stream) marked(data signedData, at, now time.Time) (cookie string, _ signedData, err error) {
	members, err := rawjson.Object(data.text, nil)
	if err != nil {
		return "", data, err
	}
	user := userOf(value(members, session.UserKey))
	patch := []byte{'{'}
	if s.route.Expiry.Absolute > 0 && stamp(value(members, session.CreatedKey)).IsZero() {
		patch = strconv.AppendInt(appendName(patch, session.CreatedKey), s.began(user, now).Unix(), 10)
	}
	if mark := value(members, session.SignedKey); s.route.Signed.Revocable && handleOf(mark, members, user) == nil {
		of, err := s.markFor(mark, user, data.text, at, now)
		if err != nil {
			return "", data, err
		}
		if len(patch) > 1 {
			patch = append(patch, ',')
		}
		patch = rawjson.AppendString(appendName(patch, session.SignedKey), of.String())
	}
	if len(patch) > 1 {
		data = data.patched(string(append(patch, '}')))
	}
	cookie, err = s.encode(data, at)
	return cookie, data, err
}

// continues reports whether a session of this user continues the one that the request came
// with.
func (s *Stream) continues(user string) bool {
	return s.cookieSession != nil && !s.dropped && s.cookieSession.user == user
}

// began returns when the session of this user began that is written now.
func (s *Stream) began(user string, now time.Time) time.Time {
	if s.continues(user) {
		return s.cookieSession.created
	}
	return now
}

// markFor returns the handle for data that has this mark, none, or another user's.
func (s *Stream) markFor(mark, user, data string, at, now time.Time) (session.Signed, error) {
	of := session.Signed{Since: now.Unix(), User: user}
	text, _ := rawjson.String(mark)
	before, marked := session.ParseSigned(text)
	switch {
	case marked:
		of.ID = before.ID
	case s.handle != nil && !s.dropped && (s.continues(user) || s.handle.User == ""):
		of.ID = s.handle.ID
		if s.continues(user) {
			of.Since = s.handle.Since
		}
	default:
		cookie, err := s.route.Signed.Codec().Encode([]byte(data), at)
		if err != nil {
			return of, err
		}
		of.ID = session.SignedID(cookie)
	}
	return of, nil
}

// remarked returns a cookie that the upstream has signed, with its marks.
func (s *Stream) remarked(cookie string, now time.Time) (string, error) {
	text, origin, at, err := s.route.Signed.Codec().Read(cookie, s.route.Expiry.Policy.Age, now)
	if err != nil {
		return "", err
	}
	marked, data, err := s.marked(signedData{string(text), origin}, at, now)
	if err == nil && data.text == string(text) {
		return cookie, nil // as it was
	}
	return marked, err
}

// markCookies appends the edits after which every cookie by which a response sets the session
// is marked. One that cannot be is removed, and the warning says why.
func (s *Stream) markCookies(edits []Edit, h Headers, now time.Time) (_ []Edit, warning string) {
	changed := false
	var fields []Edit
	for i := range h {
		field := &h[i]
		if field[0] != "set-cookie" {
			continue
		}
		line := field[1]
		pair, attributes, _ := cut(line, ';')
		if cookie, ok := pairValue(pair, s.route.Cookie.Name); ok && cookie != "" {
			marked, err := s.remarked(cookie, now)
			switch {
			case err != nil:
				warning = "an upstream's session cookie does not pass, since it cannot be marked: " + err.Error()
				changed = true
				continue
			case marked != cookie:
				line, changed = s.route.Cookie.Name+"="+marked+";"+attributes, true
			}
		}
		fields = append(fields, Edit{Add, "set-cookie", strings.Clone(line)})
	}
	if !changed {
		return edits, warning
	}
	return append(append(edits, Edit{Op: Remove, Name: "set-cookie"}), fields...), warning
}
