package filter

import (
	"strings"
	"time"
)

// Response decides on the response headers. It also sees the filter's own
// local replies, which it leaves as they are.
func (s *Stream) Response(h Headers, now time.Time) Action {
	action := Action{Verdict: Continue}
	instructed := false
	for _, name := range instructions {
		if has(h, name) || len(h) == 0 {
			instructed = true
			action.Edits = append(action.Edits, Edit{Op: Remove, Name: name})
		}
	}
	if s.route == nil || s.route.Mode == ModeOff {
		return action
	}
	if vary, changed := withCookie(h); changed {
		action.Edits = append(action.Edits, Edit{Set, "vary", vary})
	}
	switch {
	case instructed && s.route.AcceptUpdates && (has(h, flushHeader) || !isServerError(h)):
		return s.update(h, action.Edits, now)
	case s.refreshDue(h, now):
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
	if isServerError(h) || setsCookie(h, s.route.Cookie.Name) {
		return false
	}
	left := s.record.expires.Sub(now)
	return left <= e.Policy.Life(s.record.expiry)-e.RefreshEvery
}

// refresh moves the end in the store, which nobody waits for, and in the
// browser. Should the store not hear of it, the session ends there earlier
// than its cookie, which admits nobody.
func (s *Stream) refresh(action *Action, now time.Time) {
	if s.route.Signed.inUse() {
		if err := s.sign(s.record.text, now); err != nil {
			action.Warning = "a session is not refreshed: " + err.Error()
			return
		}
	} else {
		action.Callout = s.route.Service.callout(touchPath, ageBody(s.key, s.route.Expiry.Policy.Age))
	}
	action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookie(now)})
	action.Outcome = Refreshed
}

// cookie gives the Set-Cookie of a session that is written now.
func (s *Stream) cookie(now time.Time) string {
	at, browserClose := s.route.Expiry.Policy.End(s.record.expiry, now)
	if browserClose {
		return s.route.Cookie.UntilBrowserClose(s.key)
	}
	return s.route.Cookie.Until(s.key, at, now)
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
