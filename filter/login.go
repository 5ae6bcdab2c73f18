package filter

import (
	"strings"

	"cloakroom/filter/config"
)

// refuseMissing refuses a request that has no live session.
func (s *Stream) refuseMissing() Action {
	r := s.route
	page := s.requestKind() == kindPage
	if r.OnMissing == config.MissingRedirect && s.requestKind() != kindGRPC {
		page = true
	}
	if r.OnMissing == config.MissingDeny {
		page = false
	}
	if page && s.isLoginPage() {
		return Action{
			Outcome: Misconfigured,
			Effects: &Effects{Warning: "the login page " + r.Login.URL + " is on a route that requires a session; set its mode to optional"},
			Reply:   s.refusal(403, "The login page itself requires a session here. The operator has to set its route to mode: optional."),
		}
	}
	if page {
		return Action{Outcome: Missing, Reply: redirect(s.redirectStatus(), s.loginLocation())}
	}
	return Action{Outcome: Missing, Reply: s.refusal(401, "No live session. Log in at "+r.Login.URL+".",
		[2]string{"www-authenticate", s.challenge()})}
}

// challenge says how to authenticate, as RFC 9110 section 11.6.1 wants of a
// 401; the scheme is that of draft-broyer-http-cookie-auth.
func (s *Stream) challenge() string {
	return `Cookie form-action="` + s.route.Login.URL + `", cookie-name="` + s.route.Cookie.Name + `"`
}

// redirectStatus keeps GET a GET and makes one of anything else.
func (s *Stream) redirectStatus() int {
	if isSafe(s.headers.Get(":method")) {
		return 302
	}
	return 303
}

func (s *Stream) isLoginPage() bool {
	login, _, _ := strings.Cut(s.route.Login.URL, "?")
	return pathOf(s.headers.Get(":path")) == login
}

// loginLocation is the login page with the way back. A login page on another
// host needs that way in full.
func (s *Stream) loginLocation() string {
	login := s.route.Login.URL
	back := localTarget(s.headers.Get(":path"))
	if login[0] != '/' {
		back = s.headers.Get(":scheme") + "://" + s.headers.Get(":authority") + back
	}
	separator := "?"
	if strings.IndexByte(login, '?') >= 0 {
		separator = "&"
	}
	return login + separator + s.route.Login.NextParam + "=" + escapeQuery(back)
}

// localTarget makes sure that a request target, put behind this host, stays on
// it: browsers read "//x" and "/\x" as another host.
func localTarget(target string) string {
	return "/" + strings.TrimLeft(target, `/\`)
}

func pathOf(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// escapeQuery percent-encodes a query value as django.utils.http.urlencode
// does with safe="/".
func escapeQuery(s string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}
