package filter

import (
	"strings"
	"time"

	"cloakroom/session"
)

// Stream is one request on its way through the filter. Its zero value is
// ready. Its methods are called in the order that the proxy's events have.
type Stream struct {
	state
	callout Callout // that it waits for
	room    room
}

// state is what a stream has come to.
type state struct {
	route   *Route
	waiting waiting
	memory  Memory
	headers Headers // the request's, until it goes on; the stream's own while it waits
	kind    kind    // wants, once it is asked
	edits   []Edit
	key     string
	written string  // the key that a callout of the stream's changes
	record  *record // nil: none was asked for
	moved   bool    // the client is to be told that key is new

	// Of a session that is kept in its cookie and can be revoked:
	kept    *record
	subject *subject
	revoked bool
}

// Reset makes a stream whose request is over ready for another. It keeps what it has of
// memory, if that is little.
func (s *Stream) Reset() {
	s.state = state{}
	if r := &s.room; cap(r.headers) > 64 || cap(r.text)+cap(r.line) > 8<<10 {
		*r = room{}
	} else {
		r.headers, r.text, r.line = r.headers[:0], r.text[:0], r.line[:0]
	}
}

// waitFor has the stream wait for the answer to a callout, which is the look-up of a key;
// of none where it is empty.
func (s *Stream) waitFor(lookup string, c Callout) Action {
	s.callout = c
	return Action{Verdict: Wait, Lookup: lookup, Callout: &s.callout}
}

// waiting says which answer a paused stream waits for.
type waiting uint8

const (
	forNothing waiting = iota
	forLookup
	forVerify
	forFlush   // the client's logout
	forFlushBy // the upstream's
	forLogin
	forUpdate
)

// wants is what the request is for. It is asked before the request's headers are gone,
// and only where it matters: for most requests it does not.
func (s *Stream) wants() kind {
	if s.kind == kindUnknown {
		s.kind = kindOf(s.headers)
	}
	return s.kind
}

// verdict is what is known of the stream's session.
func (s *Stream) verdict() verdictOnKey {
	if s.record == nil {
		return noAnswer
	}
	return s.record.verdict
}

func (s *Stream) live() bool { return s.verdict() == liveSession }

func validKey(key string) bool { return session.ValidKey(key) }

// Request decides on the request headers. Their text is the caller's again once what
// the action says is done. A nil route, which stands for a configuration in error, is
// refused.
func (s *Stream) Request(h Headers, route *Route, m Memory, now time.Time) Action {
	action := s.request(h, route, m, now)
	if action.Verdict == Wait {
		s.headers = s.room.keep(s.headers)
	} else {
		s.headers = nil
	}
	return action
}

func (s *Stream) request(h Headers, route *Route, m Memory, now time.Time) Action {
	s.memory = m
	if len(h) == 0 {
		// Envoy hands out no headers at all where there are too many: nothing
		// could be stripped.
		return Action{Outcome: Malformed, Reply: s.refusal(431, "Too many request headers.")}
	}
	s.headers = h
	if route == nil {
		return Action{Outcome: Misconfigured, Reply: s.refusal(500, "The configuration of this route is in error; the proxy's log says where.")}
	}
	s.route = route
	s.edits = route.stripIdentity(h)
	if route.Logout.Path != "" && pathOf(h.Get(":path")) == route.Logout.Path {
		return s.logout(h, now)
	}
	if route.Mode == ModeOff {
		return Action{Verdict: Continue, Edits: s.edits, Outcome: Off}
	}
	key, state := findCookie(h, route.Cookie.Name)
	switch {
	case state == cookieAmbiguous:
		return s.refuseAmbiguous()
	case state == cookieAbsent:
		return s.missing()
	case route.Signed.inUse():
		r, cookie := route.readSigned(key, now)
		s.key = cookie
		if r.verdict == liveSession && route.Signed.Revocable {
			return s.verify(r, now)
		}
		return s.lookedUp(r, now)
	}
	if e, ok := m.fresh(key, &route.Service.Cache, now); ok {
		s.key = e.key
		return s.lookedUp(e.record, now)
	}
	if !validKey(key) {
		return s.missing()
	}
	body := s.room.keyBody(key)
	s.key = keyOf(body)
	s.waiting = forLookup
	return s.waitFor(s.key, route.Service.callout(lookupPath, body))
}

// Reply decides on the answer to the callout that the stream waits for. The answer's text
// is the caller's again once what the action says is done.
func (s *Stream) Reply(a Answer, now time.Time) Action {
	route := s.judging()
	if route == nil {
		a.Body = strings.Clone(a.Body)
		return s.LookedUp(Known{parseAnswer(a, nil, nil)}, now)
	}
	action := s.LookedUp(Known{parseAnswer(a, route, &s.room)}, now)
	s.room.found.forget()
	return action
}

// judging is the route that the answer is for which the stream waits; nil where it is not
// of the session that the request is to have.
func (s *Stream) judging() *Route {
	if s.waiting == forLookup {
		return s.route
	}
	return nil
}

// LookedUp is Reply for an answer that is read already.
func (s *Stream) LookedUp(k Known, now time.Time) Action {
	waiting, r := s.waiting, k.record
	if r == nil {
		r = unknown
	}
	s.waiting = forNothing
	action := s.answered(waiting, r, now)
	if waiting != forLookup && waiting != forVerify {
		action.Forget = s.written // what is remembered of it may be older
	}
	return action
}

func (s *Stream) answered(waiting waiting, r *record, now time.Time) Action {
	switch waiting {
	case forLookup:
		return s.lookedUp(r, now)
	case forVerify:
		return s.verified(r, now)
	case forFlush:
		return s.flushed(r)
	case forFlushBy:
		return s.flushedBy(r)
	case forLogin:
		return s.loggedIn(r, now)
	case forUpdate:
		return s.updated(r, now)
	}
	return Action{Outcome: Malformed}
}

func (s *Stream) lookedUp(r *record, now time.Time) Action {
	if r.verdict == endedSession {
		r = unknown // no answer to a look-up
	}
	if r.verdict == noAnswer && s.route.OnUnavailable == UnavailableStale {
		if old, ok := s.memory.stale(s.key, &s.route.Service.Cache, now); ok {
			action := s.lookedUp(old, now)
			if action.Outcome == Admitted {
				action.Outcome = Stale
			}
			return action
		}
	}
	switch {
	case r.verdict == noAnswer && s.route.OnUnavailable == UnavailableAllow:
		return s.proceed(Unchecked)
	case r.verdict == noAnswer:
		return s.refuseUnavailable()
	case r.verdict == noSession || !r.expires.After(now):
		return s.missing()
	case s.route.Expiry.limited() && !s.route.Expiry.end(r).After(now):
		return s.overLimit()
	}
	judged, err := r.judge(s.route)
	switch {
	case err != nil:
		return Action{Outcome: Misconfigured, Warning: err.Error(), Reply: s.refusal(500, "The session cannot be handed on; the proxy's log says why.")}
	case s.route.Mode == Required && !judged.user:
		return s.refuseMissing()
	case !judged.met:
		return Action{Outcome: Forbidden, Reply: s.refusal(403, "This session is not allowed here.")}
	}
	s.record = r
	if r.key != "" && s.key != r.key {
		s.key, s.moved = strings.Clone(r.key), true
	}
	if s.edits == nil {
		s.edits = judged.edits
	} else {
		s.edits = append(s.edits, judged.edits...)
	}
	outcome := Admitted
	if !judged.user {
		outcome = Anonymous
	}
	action := s.proceed(outcome)
	if !s.moved && !r.cycled.IsZero() && r.used.IsZero() {
		action.tell(&s.route.Service, usedPath, keyBody(s.key))
		used := *r
		used.used = now
		s.touch(&used)
	}
	return action
}

// overLimit handles a session that the store has and the limits have ended:
// it ends in the store too, so that whoever asks there finds none.
func (s *Stream) overLimit() Action {
	action := s.missing()
	if !s.route.Signed.inUse() {
		action.tell(&s.route.Service, flushPath, keyBody(s.key))
		action.Forget = s.key
	}
	return action
}

// EndsWithSession reports whether the stream is to be closed when its session
// ends.
func (s *Stream) EndsWithSession() bool { return s.route != nil && s.route.EndStreams }

// missing handles a request without a live session of a user.
func (s *Stream) missing() Action {
	s.record = none
	if s.route.Mode == Optional {
		return s.proceed(Anonymous)
	}
	return s.refuseMissing()
}

// proceed lets the request go on with the edits made so far.
func (s *Stream) proceed(outcome Outcome) Action {
	switch {
	case !s.route.ForwardCookie, s.revoked:
		s.edits = append(s.edits, withoutCookie(s.headers, s.route.Cookie.Name)...)
	case s.moved:
		s.edits = append(s.edits, replacedCookie(s.headers, s.route.Cookie.Name, s.key))
	}
	if s.route.AcceptUpdates {
		s.wants() // what is refused yet is refused in its words
	}
	edits := s.edits
	s.headers, s.edits = nil, nil
	return Action{Verdict: Continue, Edits: edits, Outcome: outcome}
}

// refuseAmbiguous refuses two different cookies of the session's name: the
// filter could take one and an upstream the other. Both are deleted as far as
// their attributes are known, so that the next try is not refused again.
func (s *Stream) refuseAmbiguous() Action {
	c := s.route.Cookie
	more := [][2]string{{"set-cookie", c.Delete()}}
	if c.Domain != "" {
		c.Domain = ""
		more = append(more, [2]string{"set-cookie", c.Delete()})
	}
	detail := "The request has two different cookies called " + c.Name + ". Delete this site's cookies and try again."
	return Action{Outcome: Malformed, Reply: s.refusal(400, detail, more...)}
}

func (s *Stream) refuseUnavailable() Action {
	return Action{
		Outcome: Unavailable,
		Warning: "the session service at cluster " + s.route.Service.Cluster + " gave no usable answer",
		Reply:   s.refusal(503, "Sessions cannot be checked at the moment. You are still logged in; try again.", [2]string{"retry-after", "1"}),
	}
}
