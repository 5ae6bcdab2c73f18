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
	case isServerError(h):
		// Django saves no session on one (SessionMiddleware.process_response).
	default:
		s.refresh(&action, h, now)
	}
	return action
}

// refresh moves the session's end, and notes that it is used, where that is
// due. The store hears of it without anybody waiting; should it not hear, the
// session ends there earlier than its cookie, which admits nobody. What an
// upstream says of the cookie itself stands.
func (s *Stream) refresh(action *Action, h Headers, now time.Time) {
	e := &s.route.Expiry
	if key, ok := setCookie(h, s.route.Cookie.Name); ok {
		if e.limited() && validKey(key) && !s.route.Signed.inUse() {
			action.Callout = s.route.Service.callout(touchPath, s.route.writeBody(key, change{}, 0))
		}
		return
	}
	if s.record.verdict != liveSession {
		return
	}
	slide := e.slideDue(s.record, now)
	switch {
	case !slide && !e.stampDue(s.record, now):
		return
	case s.route.Signed.inUse():
		if err := s.sign(s.record.text, now); err != nil {
			action.Warning = "a session is not refreshed: " + err.Error()
			return
		}
	case slide:
		action.Callout = s.route.Service.callout(touchPath, s.route.writeBody(s.key, change{}, e.Policy.Age))
	default:
		action.Callout = s.route.Service.callout(touchPath, s.route.writeBody(s.key, change{}, 0))
	}
	if slide {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookie(now)})
	}
	action.Outcome = Refreshed
}

// cookie gives the Set-Cookie of a session that is written now.
func (s *Stream) cookie(now time.Time) string {
	at, browserClose := s.route.Expiry.Policy.End(s.record.expiry, now)
	if browserClose {
		return s.route.Cookie.UntilBrowserClose(s.key)
	}
	if e := &s.route.Expiry; e.Absolute > 0 && !s.record.created.IsZero() {
		at = earlier(at, s.record.created.Add(e.Absolute))
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
