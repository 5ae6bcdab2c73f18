package filter

import (
	"strings"
	"time"
)

// logout handles the logout path: a POST from this very origin ends the
// session in the store and then in the browser.
func (s *Stream) logout(h Headers, now time.Time) Action {
	s.wants()
	if h.Get(":method") != "POST" {
		return Action{Outcome: Malformed, Reply: s.refusal(405, "Logging out takes a POST.", [2]string{"allow", "POST"})}
	}
	if !sameOrigin(h) {
		return Action{Outcome: Forbidden, Reply: s.refusal(403, "Logging out is refused to other sites.")}
	}
	s.headers = nil
	key, state := findCookie(h, s.route.Cookie.Name)
	switch {
	case state == cookieAmbiguous:
		return s.refuseAmbiguous()
	case state == cookieAbsent:
		return s.loggedOut()
	case s.route.Signed.inUse():
		return s.logoutSigned(key, now)
	case !validKey(key):
		return s.loggedOut()
	}
	s.waiting, s.written = forFlush, strings.Clone(key)
	return s.waitFor("", s.route.Service.callout(flushPath, keyBody(key)))
}

// logoutSigned ends a session that is kept in its cookie. Where it cannot be revoked,
// that is all: a copy lives on, as in Django.
func (s *Stream) logoutSigned(cookie string, now time.Time) Action {
	r, _ := s.route.readSigned(cookie, now)
	if !s.route.Signed.Revocable || r.verdict != liveSession {
		return s.loggedOut()
	}
	of := r.signed
	if of == nil {
		of = newSubject(cookie, r)
	}
	s.waiting, s.written = forFlush, of.ID
	return s.waitFor("", s.revokeCallout(of))
}

// flushed has the service's answer to a flush. A logout that did not reach the
// store is an error and leaves the cookie: a person who reads "logged out"
// must be.
func (s *Stream) flushed(r *record) Action {
	if r.verdict != noSession {
		return s.refuseUnavailable()
	}
	return s.loggedOut()
}

func (s *Stream) loggedOut() Action {
	forget := [2]string{"set-cookie", s.route.Cookie.Delete()}
	if s.wants() == kindPage {
		return Action{Outcome: LoggedOut, Reply: redirect(303, s.route.Logout.Redirect, forget)}
	}
	return Action{Outcome: LoggedOut, Reply: &LocalReply{Status: 204, GRPCStatus: NoGRPC, Headers: Headers{
		{"cache-control", "no-store"}, {"vary", "Cookie"}, forget,
	}}}
}

// sameOrigin reports whether a state-changing request comes from this site
// itself, by the rules of Go's net/http.CrossOriginProtection: browsers say so
// in Sec-Fetch-Site, older ones in Origin; what says neither is no browser.
func sameOrigin(h Headers) bool {
	switch h.Get("sec-fetch-site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := h.Get("origin")
	if origin == "" {
		return true
	}
	_, host, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(host, h.Get(":authority"))
}
