package filter

import (
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// waitingFor says which answer a paused stream waits for.
type waitingFor uint8

const (
	forNothing waitingFor = iota
	forLookup
	forVerify
	forVerifyAlone   // by a callout of the stream's own
	forFlush         // the client's logout
	forUpstreamFlush // the upstream's
	forLogin
	forUpdate
)

// waitFor has the stream wait for the answer to a callout of its own.
func (s *Stream) waitFor(what waitingFor, c Callout) Action {
	s.waiting, s.callout = what, c
	return Action{Verdict: Wait}
}

// Callout returns the callout that the stream waits for. It lasts until the stream is
// resumed.
func (s *Stream) Callout() *Callout {
	switch s.waiting {
	case forLookup:
		body := s.buffers.lookupBody(s.route, s.key)
		s.key, s.cookie.value = keyOf(body), ""
		s.callout = NewCallout(&s.route.Service, api.Lookup, body)
	case forVerify:
		s.callout = s.verifyCallout(s.route.Identity.Token.Wanted())
	}
	return &s.callout
}

// CoalesceKey returns the key of the session whose look-up the stream waits for: a cached
// result will do (see Cached), and streams that wait for one session may share one callout.
// Empty: the callout is this stream's own.
func (s *Stream) CoalesceKey() string {
	switch s.waiting {
	case forLookup:
		return s.key
	case forVerify:
		return s.handle.ID
	}
	return ""
}

// Cached is LookedUp with a result of the cache, whose key is CoalesceKey in memory that
// lasts. It does nothing, and usable is false, where the result does not answer what the
// stream waits for, or its session has come to its end: somebody else may have extended it
// meanwhile.
func (s *Stream) Cached(key string, r *LookupResult, now time.Time) (action Action, usable bool) {
	switch {
	case r.status == liveSession && (s.isOver(r, now) || s.wantsToken(r, now)):
		return Action{}, false
	case s.waiting == forLookup && r.status == liveSession:
		s.key, s.waiting = key, forNothing
		return s.judge(r, now), true
	case s.waiting == forLookup:
		s.key, s.waiting = key, forNothing
		return s.lookedUp(r, now), true
	case s.waiting == forVerify && r.answers(s.handle):
		s.waiting = forNothing
		return s.verified(r, true, now), true
	}
	return Action{}, false
}

// Stale is Cached with an old result, while the service does not answer.
func (s *Stream) Stale(r *LookupResult, now time.Time) (action Action, usable bool) {
	if s.waiting == forLookup || ((s.waiting == forVerify || s.waiting == forVerifyAlone) && r.answers(s.handle)) {
		if action = s.LookedUp(r, now); action.Outcome == Admitted {
			action.Outcome = Stale
		}
		return action, true
	}
	return Action{}, false
}

// Coalesced has the stream share the look-up of CoalesceKey, of which key is a copy that
// lasts.
func (s *Stream) Coalesced(key string) {
	if s.waiting == forLookup {
		s.key, s.cookie.value = key, ""
	}
}

// Parse parses the answer to the callout that the stream waits for, and that was sent at a time.
// The answer's text is the caller's again once the action that LookedUp makes of the result was
// carried out.
func (s *Stream) Parse(a Answer, sent time.Time) (r *LookupResult) {
	if s.waiting != forLookup {
		a.Body = strings.Clone(a.Body)
		r = parseAnswer(a, nil, nil)
	} else {
		r = parseAnswer(a, s.route, s)
	}
	r.Minted(s.route.Identity.Token.Wanted(), sent)
	return r
}

// Resumed drops what was needed until the stream was resumed: the memory of the answer to
// its look-up, and what the request's headers were edited by.
func (s *Stream) Resumed() {
	if s.result == &s.buffers.result.result {
		s.buffers.result.release()
	}
	s.edits = nil
}

// Judging returns the route that is to judge the result of the look-up that the stream waits
// for; nil where it waits for something else.
func (s *Stream) Judging() *config.Route {
	if s.waiting == forLookup {
		return s.route
	}
	return nil
}
