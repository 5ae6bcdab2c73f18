package filter

import "cloakroom/filter/config"

// unfinished is what is left to do where an action needs the request's headers.
type unfinished uint8

const (
	nothingLeft unfinished = iota
	passRequest
	denyMissing
	denyForbidden
	denyUnavailable
	denyUnreadable
	denyUnfit
	denyUntokened
)

// deny refuses the request in the words that its kind understands.
func (s *Stream) deny(what unfinished) Action {
	if s.headers == nil && !s.passed {
		s.unfinish = what
		return Action{Verdict: ReadHeaders}
	}
	var action Action
	switch what {
	case denyMissing:
		action = s.refuseMissing()
	case denyForbidden:
		action = Action{Outcome: Forbidden, Reply: s.refusal(403, "This session is not allowed here."), Edits: s.refused}
	case denyUnavailable:
		action = s.refuseUnavailable()
	case denyUnreadable:
		action = Action{
			Outcome: Unusable,
			Effects: &Effects{Warning: "a session is refused, which the session service at cluster " + s.route.Service.Cluster + " does not read: " + s.reason},
			Reply:   s.refusal(500, "Your session cannot be read here, and will not be as it is: it may be too large. The proxy's log says why. You are still logged in."),
		}
	case denyUntokened:
		action = s.refuseUnavailable()
		action.Effects.Warning = s.untokened()
	case denyUnfit:
		action = Action{Outcome: Misconfigured, Reply: s.refusal(500, "The session cannot be handed on; the proxy's log says why.")}
	}
	if s.dropped && action.Reply != nil {
		action.Reply.Headers = append(action.Reply.Headers, [2]string{"set-cookie", s.route.Cookie.Delete()})
	}
	return action
}

// refuseAmbiguous refuses two different cookies of the session's name: the filter could read
// one and an upstream the other. Both are deleted as far as their attributes are known, so
// that the next try is not refused again.
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

// unavailable returns why the session service could not be used, for the operator.
func (s *Stream) unavailable() string {
	return "no usable answer from the session service at cluster " + s.route.Service.Cluster + ": " + s.reason
}

func (s *Stream) refuseUnavailable() Action {
	action := Action{
		Outcome: Unavailable,
		Effects: &Effects{Warning: s.unavailable()},
		Reply:   s.refusal(503, "Sessions cannot be checked at the moment. You are still logged in; try again.", [2]string{"retry-after", "1"}),
	}
	switch s.reason {
	case noCluster:
		action.Reply.Details = "no_cluster"
	case TooManyWait.reason:
		action.Reply.Details = Outcomes[Overloaded]
	}
	return action
}

// writeHeader says, in a refusal, what is known of a change of the session.
const writeHeader = "x-session-write"

// refuseWrite refuses because the answer to a change of the session, of the upstream's or a
// logout, did not come: r is what came instead. Where the answer alone may have been lost, the
// reply says so. It does not ask for another try where the upstream has done what it was asked.
func (s *Stream) refuseWrite(r *LookupResult) Action {
	action := s.refuseUnavailable()
	if r.unsent {
		action.Reply.Headers = append(action.Reply.Headers, [2]string{writeHeader, "not-stored"})
		return action
	}
	action.Outcome = WriteUnknown
	if !s.passed {
		action.Reply = s.refusal(503, "Whether you are logged out is not known; try again.", [2]string{writeHeader, "unknown"}, [2]string{"retry-after", "1"})
		return action
	}
	action.Reply = s.refusal(503, "Whether the change of your session was stored is not known. The request may have had its effect: look before you send it again.", [2]string{writeHeader, "unknown"})
	return action
}

// missing handles a request without a live session of a user.
func (s *Stream) missing() Action {
	s.result = none
	if s.route.Mode == config.Optional {
		return s.proceed(Anonymous)
	}
	return s.deny(denyMissing)
}

// Complete returns the action in place of one whose Verdict was ReadHeaders. Without headers
// it is a refusal.
func (s *Stream) Complete(h Headers) Action {
	what := s.unfinish
	s.unfinish = nothingLeft
	if len(h) == 0 || what == nothingLeft {
		return Action{}
	}
	s.headers = h
	defer func() { s.headers = nil }()
	if what == passRequest {
		return s.proceed(Undecided)
	}
	return s.deny(what)
}
