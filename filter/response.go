package filter

import (
	"strings"
	"time"
)

// Response decides on the response headers. Their text is the caller's again once
// what the action says is done. It also sees the filter's own
// local replies, which it leaves as they are.
func (s *Stream) Response(h Headers, now time.Time) Action {
	action := Action{Verdict: Continue}
	instructed, varies, sets := len(h) == 0, false, false
	for i := range h {
		name := h[i][0]
		instructed = instructed || mayInstruct(name)
		varies = varies || name == "vary"
		sets = sets || name == "set-cookie"
	}
	if instructed {
		instructed = false
		for _, name := range instructions {
			if has(h, name) || len(h) == 0 {
				instructed = true
				action.Edits = append(action.Edits, Edit{Op: Remove, Name: name})
			}
		}
	}
	if s.route == nil || s.route.Mode == ModeOff {
		return action
	}
	if !varies && action.Edits == nil {
		action.Edits = varyCookie
	} else if vary, changed := withCookie(h); changed {
		action.Edits = append(action.Edits, Edit{Set, "vary", vary})
	}
	set, isSet := "", false
	if sets {
		set, isSet = setCookie(h, s.route.Cookie.Name)
	}
	switch {
	case instructed && s.route.AcceptUpdates && (has(h, flushHeader) || !isServerError(h)):
		return s.update(h, action.Edits, now)
	case isSet:
		s.cookieSet(&action, set)
	case isServerError(h):
		// Django saves no session on one (SessionMiddleware.process_response).
	default:
		s.refresh(&action, now)
	}
	if s.revoked && !isSet {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.route.Cookie.Delete()})
	}
	if s.moved && !isSet && action.Outcome != Refreshed {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookie(now)})
		action.Outcome = Refreshed
	}
	return action
}

// varyCookie is what most responses get; who appends gets a copy.
var varyCookie = []Edit{{Set, "vary", "Cookie"}}

// SkipsResponse reports whether Response has nothing to do, whatever the response.
func (s *Stream) SkipsResponse() bool {
	return s.route != nil && s.route.Responses == ResponsesSkip && !s.moved
}

// NeedsTime reports whether Response will ask what time it is: to know it costs
// a host call.
func (s *Stream) NeedsTime() bool {
	if s.route == nil || s.route.Mode == ModeOff {
		return false
	}
	return s.route.AcceptUpdates || s.moved || s.refreshes()
}

// refreshes reports whether the session may have to be refreshed.
func (s *Stream) refreshes() bool {
	e := &s.route.Expiry
	return (e.SaveEveryRequest || e.limited()) && s.live()
}

// refresh moves the session's end, and notes that it is used, where that is
// due. The store hears of it without anybody waiting; should it not hear, the
// session ends there earlier than its cookie, which admits nobody.
func (s *Stream) refresh(action *Action, now time.Time) {
	if !s.refreshes() {
		return
	}
	e := &s.route.Expiry
	if !s.moved && e.cycleDue(s.record, now) {
		action.tell(&s.route.Service, cyclePath, cycleBody(s.key, e.CycleGrace))
		touched := *s.record
		touched.cycled, touched.used = now, now // not to be asked for again
		s.touch(&touched)
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
	default:
		age := e.Policy.Age
		if !slide {
			age = 0
		}
		action.tell(&s.route.Service, touchPath, s.route.writeBody(s.key, change{}, age))
		s.touched(slide, now)
	}
	if slide || s.moved {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookie(now)})
	}
	action.Outcome = Refreshed
}

// touched is what the store makes of a touch.
func (s *Stream) touched(slide bool, now time.Time) {
	r := *s.record
	if slide {
		r.expires, _ = s.route.Expiry.Policy.End(r.expiry, now)
	}
	if s.route.Expiry.limited() {
		if r.seen = now; r.created.IsZero() {
			r.created = now
		}
	}
	s.touch(&r)
}

// touch has the stream's session, and what is remembered of it, be as r says.
func (s *Stream) touch(r *record) {
	s.record = r
	s.memory.touched(s.key, r)
}

// cookieSet notes that the upstream, Django most likely, has changed or ended
// the session, or begun another: key is what the cookie was set to.
func (s *Stream) cookieSet(action *Action, key string) {
	if s.route.Signed.inUse() {
		if key == "" && s.subject != nil && !s.revoked {
			action.Tell = append(action.Tell, s.revokeCallout(s.subject))
			action.Forget = s.subject.ID
		}
		return
	}
	if s.key != "" && s.route.Service.Cache.TTL > 0 {
		action.tell(&s.route.Service, changedPath, keyBody(s.key))
		action.Forget = s.key
	}
	if s.route.Expiry.limited() && validKey(key) {
		action.tell(&s.route.Service, touchPath, s.route.writeBody(key, change{}, 0))
	}
}

func (a *Action) tell(s *Service, path, body string) {
	c := s.callout(path, body)
	c.Later = path == touchPath || path == cyclePath || path == usedPath
	a.Tell = append(a.Tell, c)
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
	for i := range h {
		field := &h[i]
		if field[0] == name {
			return true
		}
	}
	return false
}

// withCookie gives the response's Vary with Cookie in it, unless it is there
// already. It becomes one field: hosts differ in how they add a second.
func withCookie(h Headers) (vary string, changed bool) {
	for i := range h {
		field := &h[i]
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
