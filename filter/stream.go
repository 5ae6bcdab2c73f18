package filter

import (
	"slices"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
	"cloakroom/session"
)

// Stream is one request on its way through the filter. Its zero value is ready. Its methods
// are called in the order that the proxy's events have.
type Stream struct {
	state
	callout Callout // that it waits for
	buffers streamBuffers
}

// state is what a stream has come to.
type state struct {
	route    *config.Route
	shared   *Shared
	waiting  waitingFor
	unfinish unfinished    // what Complete has to finish
	passed   bool          // the request has passed: it was not refused
	answered bool          // its response has come
	headers  Headers       // the request's, while they can be read
	kind     requestKind   // once it was asked for
	cookie   requestCookie // how the upstream would read the request's cookies
	edits    []Edit
	key      string
	written  string        // the key that a callout of the stream's changes
	result   *LookupResult // nil: no session was looked up
	rotated  bool          // the client is to get key as its new one
	tokens   *tokens       // of another result than that of the session; nil: of its own
	reason   string        // why the service's answer was none
	refused  []Edit        // the filter state of a session that is forbidden
	traced   traceLengths  // of what the buffers hold

	// Of a session that is kept in its cookie:
	cookieSession *LookupResult     // nil: there is none
	handle        *revocationHandle // nil: it cannot be revoked
	// dropped means that the upstream, which might accept the cookie, does not get it, and
	// that the browser is to delete it.
	dropped bool
}

// Reset makes a stream whose request is over ready for another. It keeps its memory, if that
// is little.
func (s *Stream) Reset() {
	s.state = state{}
	if b := &s.buffers; cap(b.text) > 1<<10 {
		*b = streamBuffers{}
	} else {
		b.text = b.text[:0]
	}
}

// Route returns the stream's configuration; nil before Request and where it is in error.
func (s *Stream) Route() *config.Route { return s.route }

// SessionEnd returns when a session ends on a route, by the store and by the limits.
func SessionEnd(r *config.Route, of *LookupResult) time.Time { return endOf(&r.Expiry, of) }

// Key returns the session key of the stream as it is now, or the signed cookie.
func (s *Stream) Key() string { return s.key }

// requestKind returns what the request is for. Where it matters after the request's headers
// have passed, it is asked for before.
func (s *Stream) requestKind() requestKind {
	if s.kind == kindUnknown {
		s.kind = kindOf(s.headers)
	}
	return s.kind
}

// status returns the state of the stream's session.
func (s *Stream) status() lookupStatus {
	if s.result == nil {
		return noAnswer
	}
	return s.result.status
}

func (s *Stream) live() bool { return s.status() == liveSession }

func validKey(key string) bool { return session.ValidKey(key) }

// Request decides on the request headers. Their text is the caller's again once the action
// was carried out. A nil route means a configuration in error, and the request is refused.
func (s *Stream) Request(h Headers, route *config.Route, shared *Shared, now time.Time) Action {
	s.shared = shared
	action := s.request(h, route, now)
	s.headers = nil
	return action
}

func (s *Stream) request(h Headers, route *config.Route, now time.Time) Action {
	if len(h) == 0 {
		// Envoy returns no headers at all where there are too many: nothing could be
		// stripped.
		return Action{Outcome: Malformed, Reply: s.refusal(431, "Too many request headers.")}
	}
	s.headers = h
	if route == nil {
		return Action{Outcome: Misconfigured, Reply: s.refusal(500, "The configuration of this route is in error; the proxy's log says where.")}
	}
	s.route = route
	s.edits = stripEdits(route, h)
	if route.Service.Cluster != "" {
		s.keepTrace(h)
	}
	if route.Logout.Path != "" && pathOf(h.Get(":path")) == route.Logout.Path {
		return s.logout(h, now)
	}
	if route.Mode == config.ModeOff {
		return s.passOff(h, now)
	}
	if route.AcceptUpdates {
		s.requestKind() // a refusal in the response's direction has that form
	}
	s.cookie.read(h, route.Cookie.Name)
	switch {
	case s.cookie.state == cookieAmbiguous:
		return s.refuseAmbiguous()
	case s.cookie.state == cookieAbsent, s.cookie.odd:
		return s.missing()
	case route.Signed.InUse():
		return s.requestSigned(now)
	case !validKey(s.cookie.value):
		return s.missing()
	}
	s.key, s.waiting = s.cookie.value, forLookup
	return Action{Verdict: Wait}
}

// LookedUp decides on the result of what the stream waits for.
func (s *Stream) LookedUp(r *LookupResult, now time.Time) Action {
	waiting := s.waiting
	s.waiting = forNothing
	action := s.decide(waiting, r, now)
	if waiting > forVerifyAlone {
		action.effects().Invalidate = s.written // what is cached of it may be older
	}
	return action
}

func (s *Stream) decide(waiting waitingFor, r *LookupResult, now time.Time) Action {
	s.reason = r.reason
	switch waiting {
	case forLookup:
		return s.lookedUp(r, now)
	case forVerify, forVerifyAlone:
		return s.verified(r, waiting == forVerify, now)
	case forFlush:
		return s.flushed(r)
	case forUpstreamFlush:
		return s.flushedByUpstream(r)
	case forLogin:
		return s.loggedIn(r, now)
	case forUpdate:
		return s.updated(r, now)
	}
	return Action{Outcome: Malformed}
}

func (s *Stream) lookedUp(r *LookupResult, now time.Time) Action {
	if r.status == endedSession {
		r = NoAnswer // no answer to a look-up
	}
	switch {
	case r.status == noAnswer && s.route.OnUnavailable == config.UnavailableAllow:
		action := s.proceed(Unchecked)
		action.warn(s.unavailable())
		return action
	case r.status == noAnswer && r.unusable:
		return s.deny(denyUnreadable)
	case r.status == noAnswer:
		return s.deny(denyUnavailable)
	case r.status == noSession:
		return s.missing()
	case s.isOver(r, now):
		return s.over(r, now)
	}
	return s.judge(r, now)
}

// judge decides on a live session, by what the route requires of it.
func (s *Stream) judge(r *LookupResult, now time.Time) Action {
	authz, err := r.authorize(s.route)
	switch {
	case err != nil:
		action := s.deny(denyUnfit)
		action.warn(err.Error())
		return action
	case s.route.Mode == config.Required && !authz.user:
		return s.deny(denyMissing)
	case !authz.met:
		s.refused = s.withSessionID(r, authz)
		return s.deny(denyForbidden)
	}
	edit, wanted := s.tokenEdit(r, now)
	if wanted && authz.user && edit.Value == "" {
		return s.deny(denyUntokened)
	}
	s.result = r
	if r.key != "" && s.key != r.key {
		s.key, s.rotated = strings.Clone(r.key), true
	}
	if edits := s.withSessionID(r, authz); s.edits == nil {
		s.edits = edits
	} else {
		s.edits = append(s.edits, edits...)
	}
	if wanted && authz.user {
		s.edits = append(slices.Clip(s.edits), edit) // they may be those of authz, which others share
	}
	outcome := Admitted
	if !authz.user {
		outcome = Anonymous
	}
	action := s.proceed(outcome)
	if authz.cut {
		action.effects().Count = DataOmitted
	}
	if !s.rotated && !r.cycled.IsZero() && r.used.IsZero() {
		action.notify(&s.route.Service, api.Used, keyBody(s.key))
		used := *r
		used.used = now
		s.touch(&action, &used)
	}
	return action
}

// isOver reports whether a live session has come to its end, by the store or by the limits.
func (s *Stream) isOver(r *LookupResult, now time.Time) bool {
	return !endOf(&s.route.Expiry, r).After(now)
}

// over handles a session that has come to its end. Where the limits have ended it before
// the store, it ends in the store too, so that a look-up there finds none. The upstream,
// which applies neither the limits nor a signed session's own end, does not get its cookie.
func (s *Stream) over(r *LookupResult, now time.Time) Action {
	switch {
	case s.route.Signed.InUse():
		s.dropped = true
		return s.missing()
	case !r.expires.After(now):
		return s.missing()
	}
	s.dropped = true
	action := s.missing()
	action.notify(&s.route.Service, api.Flush, flushBody(s.key, limitOf(&s.route.Expiry, r, now)))
	action.Effects.Invalidate = s.key
	return action
}

// proceed has the request pass with the edits made so far.
func (s *Stream) proceed(outcome Outcome) Action {
	if edit, needed := s.cookieEdit(); needed {
		if s.headers == nil {
			s.unfinish = passRequest
			return Action{Verdict: ReadHeaders, Outcome: outcome}
		}
		s.edits = append(s.edits, rewritten(s.headers, s.route.Cookie.Name, edit))
	}
	s.passed = true
	edits := s.edits
	s.edits = nil
	return Action{Verdict: Continue, Edits: edits, Outcome: outcome}
}

// cookieEdit returns the session cookie that the upstream gets, empty for none, and whether
// the request has to be edited for that.
func (s *Stream) cookieEdit() (value string, needed bool) {
	c := &s.cookie
	switch {
	case !s.route.ForwardCookie, s.dropped, c.odd, c.state != cookieOne:
		return "", c.state != cookieAbsent || c.disguised
	case s.key != "":
		return s.key, c.disguised || s.rotated
	}
	return c.value, c.disguised
}
