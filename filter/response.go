package filter

import (
	"strings"
	"time"
)

// instructions are the response headers by which an upstream may ask for a
// change of the session. They are for the filter alone.
var instructions = []string{"x-session-set", "x-session-login", "x-session-flush", "x-session-expiry"}

// Response decides on the response headers. It also sees the filter's own
// local replies, which it leaves as they are.
func (s *Stream) Response(h Headers, now time.Time) Action {
	action := Action{Verdict: Continue}
	for _, name := range instructions {
		if has(h, name) || len(h) == 0 {
			action.Edits = append(action.Edits, Edit{Op: Remove, Name: name})
		}
	}
	if s.route == nil || s.route.Mode == ModeOff {
		return action
	}
	if vary, changed := withCookie(h); changed {
		action.Edits = append(action.Edits, Edit{Set, "vary", vary})
	}
	if s.refreshDue(h, now) {
		s.refresh(&action, now)
	}
	return action
}

// refreshDue reports whether this response is to move the session's end.
// Django saves a session on no response of 500 or more
// (SessionMiddleware.process_response), and what an upstream says of the
// cookie itself stands.
func (s *Stream) refreshDue(h Headers, now time.Time) bool {
	e := &s.route.Expiry
	if s.record.verdict != liveSession || !e.SaveEveryRequest || s.record.expiry.Fixed() {
		return false
	}
	status := h.Get(":status")
	if len(status) != 3 || status[0] >= '5' || setsCookie(h, s.route.Cookie.Name) {
		return false
	}
	left := s.record.expires.Sub(now)
	return left <= e.Policy.Life(s.record.expiry)-e.RefreshEvery
}

// refresh moves the end in the store, which nobody waits for, and in the
// browser. Should the store not hear of it, the session ends there earlier
// than its cookie, which admits nobody.
func (s *Stream) refresh(action *Action, now time.Time) {
	route := s.route
	cookie := route.Cookie.UntilBrowserClose(s.key)
	if at, browserClose := route.Expiry.Policy.End(s.record.expiry, now); !browserClose {
		cookie = route.Cookie.Until(s.key, at, now)
	}
	action.Edits = append(action.Edits, Edit{Add, "set-cookie", cookie})
	action.Callout = route.Service.callout(touchPath, ageBody(s.key, route.Expiry.Policy.Age))
	action.Outcome = Refreshed
}

func has(h Headers, name string) bool {
	for _, field := range h {
		if field[0] == name {
			return true
		}
	}
	return false
}

// withCookie gives the response's Vary with Cookie in it, unless it is there
// already. It becomes one field: hosts differ in how they add a second.
func withCookie(h Headers) (vary string, changed bool) {
	for _, field := range h {
		if field[0] != "vary" {
			continue
		}
		for _, name := range strings.Split(field[1], ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "cookie") {
				return "", false
			}
		}
		vary += field[1] + ", "
	}
	return vary + "Cookie", true
}
