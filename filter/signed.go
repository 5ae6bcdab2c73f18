package filter

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cloakroom/filter/config"
	"cloakroom/filter/internal/clockcache"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// CookieCache caches signed cookies that were verified, so that the same one is not verified
// for each request. What a cookie holds follows from it alone: this changes no decision.
type CookieCache struct {
	*clockcache.Cache[*verifiedCookie]
}

// verifiedCookie is what a cookie holds, to one route.
type verifiedCookie struct {
	route  *config.Route
	result *LookupResult
}

// The bounds of a CookieCache, of which a worker has one.
const (
	verifiedEntries = 10_000
	verifiedBytes   = 8 << 20
)

// NewCookieCache returns an empty cache.
func NewCookieCache() *CookieCache {
	return &CookieCache{clockcache.New[*verifiedCookie](verifiedEntries, verifiedBytes)}
}

// maxCookieBytes is the longest name and value that browsers keep (RFC 6265bis section 5.6).
// A longer cookie is dropped without a word, and the person with it sent to the login page
// for ever.
const maxCookieBytes = 4096

// errCookieTooLong says what to do about it.
var errCookieTooLong = errors.New("the session is too large for a cookie: name and value would be over " +
	strconv.Itoa(maxCookieBytes) + " bytes, and browsers drop such cookies; keep less in it, or use engine.service")

// errSignedZone says that a site has USE_TZ = False.
var errSignedZone = errors.New("the session ends at a date without a zone, as with USE_TZ = False, and the filter does not know the zone: have the application call set_expiry with seconds, or use engine.service")

// readSigned reads the session of the request's cookie into cookieSession; a cookie that does
// not verify is none.
func (s *Stream) readSigned(now time.Time) {
	cookies := s.shared.Cookies
	if cookies != nil {
		if e := cookies.Get(s.cookie.value); e != nil && e.Value.route == s.route {
			s.key, s.cookieSession = e.Key, e.Value.result // its end is looked at as any session's
			return
		}
	}
	s.key = strings.Clone(s.cookie.value)
	data, origin, at, err := s.route.Signed.Codec().Read(s.key, s.route.Expiry.Policy.Age, now)
	if err != nil {
		return
	}
	r := signedResult(signedData{string(data), origin}, s.route, at)
	if !r.Live() {
		return
	}
	s.cookieSession = r
	if cookies != nil {
		cookies.Put(s.key, &verifiedCookie{s.route, r}, len(s.key)+r.Size())
	}
}

// requestSigned decides on a request whose session is in its cookie.
func (s *Stream) requestSigned(now time.Time) Action {
	s.readSigned(now)
	r := s.cookieSession
	if r == nil {
		return s.lookedUp(none, now)
	}
	if s.route.Revocable() {
		return s.verify(now)
	}
	return s.lookedUp(r, now)
}

// passOff has a request of a route with mode off pass. Where signed cookies are marked, a
// session that the upstream signs anew there keeps its marks (see markCookies), and one that
// has ended does not reach it.
func (s *Stream) passOff(h Headers, now time.Time) Action {
	if s.route.Marks() {
		s.cookie.read(h, s.route.Cookie.Name)
		if s.cookie.state == cookieOne && !s.cookie.odd {
			s.readSigned(now)
		}
		if r := s.cookieSession; r != nil {
			s.dropped = s.isOver(r, now)
			if s.handle = r.handle; s.handle == nil {
				s.handle = newHandle(s.key, r)
			}
		}
		return s.proceed(Off)
	}
	if !s.route.ForwardCookie {
		s.cookie.read(h, s.route.Cookie.Name)
		return s.proceed(Off)
	}
	s.passed = true
	edits := s.edits
	s.edits = nil
	return Action{Verdict: Continue, Edits: edits, Outcome: Off}
}

// signedData is the data of a session in its cookie, and its origin where text does not show
// all of it.
type signedData struct {
	text   string
	origin *session.Origin
}

// patched applies a merge patch.
func (d signedData) patched(patch string) signedData {
	return signedData{rawjson.MergePatch(d.text, patch), d.origin.Patched(patch)}
}

// signedResult is a session that was signed at a time. Django looks at SESSION_COOKIE_AGE
// alone; an earlier end of the session's own holds here too.
func signedResult(data signedData, route *config.Route, at time.Time) *LookupResult {
	policy := &route.Expiry.Policy
	r := newResult(data.text, at.Add(policy.Age), route)
	if !r.Live() {
		return none
	}
	r.origin = data.origin
	if text := []byte(data.text); session.LacksZone(text) {
		r.expiry, _ = session.LatestExpiry(text)
	}
	own, _ := policy.End(r.expiry, at)
	r.expires = earlier(r.expires, own)
	r.seen = at
	if r.created.IsZero() {
		r.created = at
	}
	return r
}

// sign makes data the stream's session, signed now; its cookie is then Stream.cookieLine.
func (s *Stream) sign(data signedData, now time.Time) error {
	cookie, data, err := s.marked(data, now, now)
	if err != nil {
		return err
	}
	s.key, s.result = cookie, signedResult(data, s.route, now)
	return nil
}

// updateSigned performs what the upstream asks for.
func (s *Stream) updateSigned(u change, now time.Time) Action {
	data := signedData{text: "{}"}
	if s.live() {
		data = s.result.signedData()
	}
	if u.login != "" {
		data = loggedInData(data, u.login, s.route.Identity.AuthBackends)
		s.result, s.cookieSession, s.handle = none, nil, nil // the session begins anew
	}
	if u.patch != "" {
		data = data.patched(string(session.DjangoPatch([]byte(u.patch))))
	}
	if session.LacksZone([]byte(data.text)) {
		return s.refuseUpdate(errSignedZone)
	}
	if err := s.sign(data, now); err != nil {
		return s.refuseUpdate(err)
	}
	return Action{Verdict: Continue, Outcome: Updated, Edits: append(s.edits, Edit{Add, "set-cookie", s.cookieLine(now)})}
}

// loggedInData returns the data after a login: another user's data is dropped. The hash that
// Django wants besides needs the user's account, which a proxy has not.
func loggedInData(data signedData, user string, backends []string) signedData {
	members, err := rawjson.Object(data.text, nil)
	before, isText := rawjson.String(value(members, session.UserKey))
	if err != nil || (isText && before != user) {
		data = signedData{text: "{}"}
	}
	patch := append(appendName([]byte{'{'}, session.UserKey), rawjson.AppendString(nil, user)...)
	for _, name := range []string{hashKey, session.SignedKey, session.CreatedKey} {
		patch = append(appendName(append(patch, ','), name), "null"...)
	}
	if len(backends) > 0 {
		patch = append(appendName(append(patch, ','), backendKey), rawjson.AppendString(nil, backends[0])...)
	}
	return data.patched(string(append(patch, '}')))
}
