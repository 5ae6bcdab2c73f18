package filter

import (
	"strings"
	"time"

	"cloakroom/api"
)

// logout handles the logout path: a POST from this very origin ends the session in the store
// and then in the browser.
func (s *Stream) logout(h Headers, now time.Time) Action {
	s.requestKind()
	if h.Get(":method") != "POST" {
		return Action{Outcome: Malformed, Reply: s.refusal(405, "Logging out takes a POST.", [2]string{"allow", "POST"})}
	}
	if !mayLogOut(h, s.route.Logout.TrustedOrigins) {
		return Action{Outcome: Forbidden, Reply: s.refusal(403, "Logging out is refused to other sites. If this is the site itself, its origin belongs into logout.trusted_origins.")}
	}
	s.cookie.read(h, s.route.Cookie.Name)
	switch {
	case s.cookie.state == cookieAmbiguous:
		return s.refuseAmbiguous()
	case s.cookie.state == cookieAbsent, s.cookie.odd:
		return s.loggedOut()
	case s.route.Signed.InUse():
		return s.logoutSigned(now)
	case !validKey(s.cookie.value):
		return s.loggedOut()
	}
	s.written = strings.Clone(s.cookie.value)
	return s.waitFor(forFlush, NewCallout(&s.route.Service, api.Flush, flushBody(s.written, api.ReasonLogout)))
}

// logoutSigned ends a session that is kept in its cookie. Where it cannot be revoked, that
// is all: a copy stays valid, as in Django.
func (s *Stream) logoutSigned(now time.Time) Action {
	s.readSigned(now)
	r := s.cookieSession
	if !s.route.Signed.Revocable || r == nil {
		return s.loggedOut()
	}
	handle := r.handle
	if handle == nil {
		handle = newHandle(s.key, r)
	}
	s.written = handle.ID
	return s.waitFor(forFlush, s.revokeCallout(handle, api.ReasonLogout))
}

// flushed handles the service's answer to a flush. A logout that did not reach the store is
// an error and leaves the cookie: a person who reads "logged out" must be.
func (s *Stream) flushed(r *LookupResult) Action {
	if r.status != noSession {
		return s.refuseWrite(r)
	}
	return s.loggedOut()
}

func (s *Stream) loggedOut() Action {
	forget := [2]string{"set-cookie", s.route.Cookie.Delete()}
	if s.requestKind() == kindPage {
		return Action{Outcome: LoggedOut, Reply: redirect(303, s.route.Logout.Redirect, forget)}
	}
	return Action{Outcome: LoggedOut, Reply: &LocalReply{Status: 204, GRPCStatus: NoGRPC, Headers: Headers{
		{"cache-control", "no-store"}, {"vary", "Cookie"}, forget,
	}}}
}
