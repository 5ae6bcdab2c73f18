package filter

import (
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// Response decides on the response headers. Their text is the caller's again once the action
// was carried out. It also sees the filter's own local replies, which it leaves as they are.
func (s *Stream) Response(h Headers, now time.Time) Action {
	if !s.passed {
		return Action{Verdict: Continue} // a local reply: of the filter's own, or of the host's while it waited
	}
	s.answered = true
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
	if s.route == nil {
		return action
	}
	set, isSet := "", false
	if sets {
		if set, isSet = setCookie(h, s.route.Cookie.Name); isSet && s.route.Marks() {
			var warning string
			action.Edits, warning = s.markCookies(action.Edits, h, now)
			action.warn(warning)
		}
	}
	if s.route.Mode == config.ModeOff {
		s.deleteDropped(&action, isSet)
		return action
	}
	if !varies && action.Edits == nil {
		action.Edits = varyCookie
	} else if vary, changed := withCookie(h); changed {
		action.Edits = append(action.Edits, Edit{Set, "vary", vary})
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
	s.deleteDropped(&action, isSet)
	if s.rotated && !isSet && action.Outcome != Refreshed {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookieLine(now)})
		action.Outcome = Refreshed
	}
	return action
}

// deleteDropped has the browser delete a cookie that the upstream did not get.
func (s *Stream) deleteDropped(action *Action, isSet bool) {
	if s.dropped && !isSet {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.route.Cookie.Delete()})
	}
}

// varyCookie is what most responses get; who appends gets a copy.
var varyCookie = []Edit{{Set, "vary", "Cookie"}}

// SkipsResponse reports whether Response has nothing to do, whatever the response.
func (s *Stream) SkipsResponse() bool {
	return s.route != nil && s.route.Responses == config.ResponsesSkip && !s.rotated && !s.dropped
}

// Open reports whether the response's headers have passed.
func (s *Stream) Open() bool { return s.passed && s.answered && s.waiting == forNothing }

// NeedsTime reports whether Response uses the time: reading the clock costs a host call.
func (s *Stream) NeedsTime() bool {
	if s.route == nil {
		return false
	}
	return s.route.AcceptUpdates || s.rotated || s.route.Marks() || (s.route.Mode != config.ModeOff && s.refreshes())
}

// refreshes reports whether the session may have to be refreshed.
func (s *Stream) refreshes() bool {
	e := &s.route.Expiry
	return (e.SaveEveryRequest || e.Limited()) && s.live()
}

// refresh moves the session's end, and notes that it is used, where that is due. The store
// is notified, and no request waits for that. If it fails, the session ends there earlier than
// its cookie, which is then refused.
func (s *Stream) refresh(action *Action, now time.Time) {
	if !s.refreshes() {
		return
	}
	e := &s.route.Expiry
	if !s.rotated && cycleDue(e, s.result, now) {
		action.notify(&s.route.Service, api.Cycle, cycleBody(s.key, e.CycleGrace))
		touched := *s.result
		touched.cycled, touched.used = now, now // not to be asked for again
		s.touch(action, &touched)
	}
	slide := slideDue(e, s.result, now)
	switch {
	case !slide && !stampDue(e, s.result, now):
		return
	case s.route.Signed.InUse():
		if err := s.sign(s.result.signedData(), now); err != nil {
			action.warn("a session is not refreshed: " + err.Error())
			return
		}
	default:
		age := e.Policy.Age
		if !slide {
			age = 0
		}
		action.notify(&s.route.Service, api.Touch, writeBody(s.route, s.key, change{}, age))
		s.touched(action, slide, now)
	}
	if slide || s.rotated {
		action.Edits = append(action.Edits, Edit{Add, "set-cookie", s.cookieLine(now)})
	}
	action.Outcome = Refreshed
}

// touched computes what the store makes of a touch.
func (s *Stream) touched(action *Action, slide bool, now time.Time) {
	r := *s.result
	if slide {
		r.expires, _ = s.route.Expiry.Policy.End(r.expiry, now)
	}
	if s.route.Expiry.Limited() {
		if r.seen = now; r.created.IsZero() {
			r.created = now
		}
	}
	s.touch(action, &r)
}

// touch has the stream's session, and what is cached of it, be as r says.
func (s *Stream) touch(action *Action, r *LookupResult) {
	s.result, action.effects().Touched = r, r
}

// cookieSet handles that the upstream, Django most likely, has changed or ended the session,
// or begun another: key is what the cookie was set to.
func (s *Stream) cookieSet(action *Action, key string) {
	if s.route.Signed.InUse() {
		if key == "" && s.handle != nil && !s.dropped {
			e := action.effects()
			e.Notify, e.Invalidate = append(e.Notify, s.revokeCallout(s.handle, api.ReasonUpstream)), s.handle.ID
		}
		return
	}
	switch {
	case s.key == "":
	case key != s.key && (s.route.Service.Cache.TTL > 0 || s.route.Expiry.CycleEvery > 0):
		// A logout, or a new key: the session's other keys end too, which Django does not
		// know, and to which it may have written meanwhile.
		action.notify(&s.route.Service, api.Changed, endedBody(s.key))
		action.Effects.Invalidate = s.key
	case s.route.Service.Cache.TTL > 0:
		action.notify(&s.route.Service, api.Changed, keyBody(s.key))
		action.Effects.Invalidate = s.key
	}
	if s.route.Expiry.Limited() && validKey(key) {
		action.notify(&s.route.Service, api.Touch, writeBody(s.route, key, change{}, 0))
	}
}

func (a *Action) notify(s *config.Service, path, body string) {
	c := NewCallout(s, path, body)
	c.Deferrable = path == api.Touch || path == api.Cycle || path == api.Used
	e := a.effects()
	e.Notify = append(e.Notify, c)
}

// cookieLine returns the Set-Cookie of a session that is written now.
func (s *Stream) cookieLine(now time.Time) string {
	at, browserClose := s.route.Expiry.Policy.End(s.result.expiry, now)
	if browserClose {
		return s.route.Cookie.UntilBrowserClose(s.key)
	}
	if e := &s.route.Expiry; e.Absolute > 0 && !s.result.created.IsZero() {
		at = earlier(at, s.result.created.Add(e.Absolute))
	}
	return s.route.Cookie.Until(s.key, at, now)
}

func has(h Headers, name string) bool {
	for i := range h {
		if h[i][0] == name {
			return true
		}
	}
	return false
}

// withCookie returns the response's Vary with Cookie in it, unless it is there already. It
// becomes one field: hosts differ in how they add a second.
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
