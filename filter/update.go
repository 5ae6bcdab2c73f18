package filter

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// The response headers by which an upstream changes the session. They are for
// the filter alone.
const (
	setHeader    = "x-session-set"    // a merge patch (RFC 7396) of the session's data
	loginHeader  = "x-session-login"  // the id of the user who has logged in
	flushHeader  = "x-session-flush"  // 1: the session ends
	expiryHeader = "x-session-expiry" // set_expiry: seconds, 0, a date, or nothing for the policy
)

// instructionPrefix is common to them.
const instructionPrefix = "x-session-"

// mayInstruct reports whether a header may be an instruction. One letter rules most others
// out, without a call.
func mayInstruct(name string) bool {
	return len(name) > len(instructionPrefix) && name[2] == instructionPrefix[2] && strings.HasPrefix(name, instructionPrefix)
}

var instructions = []string{setHeader, loginHeader, flushHeader, expiryHeader}

// reservedKey reports whether a patch must not name a key: those that
// django.contrib.auth.login writes (a user without a new session key is a fixed session), and
// the filter's and the session service's own.
func reservedKey(name string) bool {
	switch name {
	case session.UserKey, backendKey, hashKey:
		return true
	}
	return strings.HasPrefix(name, ownPrefix)
}

// ownPrefix begins the keys of the session's data that are Cloakroom's.
const ownPrefix = session.OwnPrefix

// change is what an upstream wants of the session.
type change struct {
	flush bool
	login string // the user's id; empty: none
	patch string // a JSON object; empty: none
	empty bool   // the patch takes away and sets nothing
}

var (
	errRepeated   = errors.New("it stands more than once")
	errFlush      = errors.New(flushHeader + " must be 1 and stand alone")
	errLogin      = errors.New(loginHeader + " must be a user's id of 1 to 255 printable characters")
	errReserved   = errors.New(setHeader + " must not name _auth_user_id, _auth_user_backend, _auth_user_hash (use " + loginHeader + " and " + flushHeader + ") or a key that begins with " + ownPrefix)
	errExpiry     = errors.New(expiryHeader + " must be seconds, 0 (until the browser closes), a date such as 2026-12-31T23:59:59Z, or empty (the policy)")
	errTwoExpires = errors.New(setHeader + " and " + expiryHeader + " both say when the session ends")
)

// parseUpdate parses the instructions of a response. Its error is for the
// operator; it shows no value.
func parseUpdate(h Headers) (u change, err error) {
	values := make([]string, len(instructions))
	found := make([]bool, len(instructions))
	for _, field := range h {
		i := slices.Index(instructions, field[0])
		switch {
		case i < 0:
		case found[i]:
			return u, errors.New(field[0] + ": " + errRepeated.Error())
		default:
			values[i], found[i] = field[1], true
		}
	}
	if found[2] {
		if values[2] != "1" || found[0] || found[1] || found[3] {
			return u, errFlush
		}
		return change{flush: true}, nil
	}
	if u.login = values[1]; found[1] && !isUserID(u.login) {
		return u, errLogin
	}
	u.patch, u.empty, err = patchOf(values[0], found[0], values[3], found[3])
	return u, err
}

func isUserID(id string) bool {
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] == 0x7f {
			return false
		}
	}
	return id != "" && len(id) <= 255
}

// patchOf returns one merge patch of what is to be set and when it is to end.
func patchOf(set string, hasSet bool, end string, hasEnd bool) (patch string, empty bool, err error) {
	empty = !hasEnd || end == ""
	var members []rawjson.Member
	if hasSet {
		if members, err = rawjson.Object(set, nil); err != nil {
			return "", false, errors.New(setHeader + ": " + err.Error())
		}
	}
	for _, m := range members {
		switch {
		case reservedKey(m.Name):
			return "", false, errReserved
		case hasEnd && m.Name == session.ExpiryKey:
			return "", false, errTwoExpires
		}
		empty = empty && m.Value == "null"
	}
	if !hasEnd {
		return set, empty, nil
	}
	value, err := expiryValue(end)
	if err != nil {
		return "", false, err
	}
	out := []byte{'{'}
	for _, m := range members {
		out = append(appendName(out, m.Name), m.Value...)
		out = append(out, ',')
	}
	out = append(appendName(out, session.ExpiryKey), value...)
	return string(append(out, '}')), empty, nil
}

func appendName(dst []byte, name string) []byte {
	return append(rawjson.AppendString(dst, name), ':')
}

// expiryValue returns the JSON that Django keeps under _session_expiry
// (SessionBase.set_expiry).
func expiryValue(end string) (string, error) {
	if end == "" {
		return "null", nil
	}
	if seconds, err := strconv.ParseUint(end, 10, 31); err == nil {
		return strconv.FormatUint(seconds, 10), nil
	}
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return "", errExpiry
	}
	return `"` + at.UTC().Format("2006-01-02T15:04:05+00:00") + `"`, nil
}

// update performs what the upstream asks for, while the response waits.
func (s *Stream) update(h Headers, edits []Edit, now time.Time) Action {
	u, err := parseUpdate(h)
	if err != nil {
		return s.refuseUpdate(err)
	}
	s.edits = edits
	key := ""
	switch s.status() {
	case noAnswer:
		return s.refuseWrite(&LookupResult{unsent: true})
	case liveSession:
		key = s.key
	}
	if s.route.Signed.InUse() && !u.flush {
		if key == "" && u.login == "" && u.empty {
			return Action{Verdict: Continue, Edits: edits}
		}
		return s.updateSigned(u, now)
	}
	s.written = key
	service, age := &s.route.Service, s.route.Expiry.Policy.Age
	switch {
	case u.flush && key != "" && s.handle != nil:
		s.written = s.handle.ID
		return s.waitFor(forUpstreamFlush, s.revokeCallout(s.handle, api.ReasonUpstream))
	case u.flush && (key == "" || s.route.Signed.InUse()):
		return s.flushedByUpstream(none)
	case u.flush:
		return s.waitFor(forUpstreamFlush, NewCallout(service, api.Flush, flushBody(key, api.ReasonUpstream)))
	case u.login != "":
		return s.waitFor(forLogin, NewCallout(service, api.Login, writeBody(s.route, key, u, age)))
	case key != "":
		return s.waitFor(forUpdate, NewCallout(service, api.Update, writeBody(s.route, key, u, age)))
	case u.empty:
		return Action{Verdict: Continue, Edits: edits}
	}
	return s.waitFor(forUpdate, NewCallout(service, api.Create, writeBody(s.route, "", u, age)))
}

// updated handles the service's answer to a change. What an upstream believes to be stored
// must be, so the response does not pass without it.
func (s *Stream) updated(r *LookupResult, now time.Time) Action {
	switch {
	case r.rejected:
		return s.refuseUpdate(errors.New("the session service at cluster " + s.route.Service.Cluster + " does not store it: " + r.reason))
	case r.status == noAnswer:
		return s.refuseWrite(r)
	case r.status == noSession:
		// SessionMiddleware raises SessionInterrupted, which answers 400.
		return Action{Outcome: Missing, Reply: s.refusal(400,
			"The session ended while the request was under way, perhaps by a logout elsewhere. Nothing was stored.")}
	case r.status == endedSession:
		return s.flushedByUpstream(none)
	}
	if r.key != "" {
		s.key = r.key
	}
	s.result = r
	return Action{Verdict: Continue, Outcome: Updated,
		Edits: append(s.edits, Edit{Add, "set-cookie", s.cookieLine(now)})}
}

// loggedIn handles the service's answer to a login.
func (s *Stream) loggedIn(r *LookupResult, now time.Time) Action {
	if r.Live() && r.key == "" {
		r = NoAnswer // a login without a new key is none
	}
	if r.status == noSession {
		return Action{Outcome: Forbidden, Reply: s.refusal(403, "This account cannot log in: it does not exist or is not active.")}
	}
	return s.updated(r, now)
}

// flushedByUpstream handles the service's answer to a flush that the upstream asked for, in
// words or by an expiry that has passed.
func (s *Stream) flushedByUpstream(r *LookupResult) Action {
	if r.status != noSession {
		return s.refuseWrite(r)
	}
	s.result = none
	return Action{Verdict: Continue, Outcome: LoggedOut,
		Edits: append(s.edits, Edit{Add, "set-cookie", s.route.Cookie.Delete()})}
}

// refuseUpdate refuses a response whose instructions cannot be followed: its
// body may say that they were.
func (s *Stream) refuseUpdate(err error) Action {
	return Action{
		Outcome: Misconfigured,
		Effects: &Effects{Warning: "the upstream's session instruction is refused: " + err.Error()},
		Reply:   s.refusal(502, "The upstream's session instruction cannot be followed; the proxy's log says why."),
	}
}

// isServerError reports whether a response is one on which Django saves no
// session (SessionMiddleware.process_response).
func isServerError(h Headers) bool {
	status := h.Get(":status")
	return len(status) != 3 || strings.IndexByte("1234", status[0]) < 0
}
