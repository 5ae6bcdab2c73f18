package filter

import (
	"strconv"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// Envoy follows an upstream's redirect by itself on routes with internal_redirect_policy. No filter
// then sees the response that redirects, and the client gets none of it.

// InternalRedirect is the response code details of such a stream.
const InternalRedirect = "internal_redirect"

// Unanswered reports whether the request has passed, and no response to it has come that Response
// should have seen.
func (s *Stream) Unanswered() bool {
	return s.passed && !s.answered && s.route != nil && s.route.Mode != config.ModeOff && s.route.Responses == config.ResponsesProcess
}

// Redirected handles that Envoy has followed the redirect of an Unanswered request, to the route
// of a name. The upstream may have changed the session, or ended it: what is cached of it is
// invalidated.
func (s *Stream) Redirected(to string) Action {
	action := Action{Verdict: Continue}
	if s.route.AcceptUpdates {
		from := "a route of the general configuration"
		if s.route.Name != "" {
			from = "the route " + strconv.Quote(s.route.Name)
		}
		action.warn("Envoy has followed a redirect of the upstream by itself, from " + from + " to the route " + strconv.Quote(to) + ", and the session headers (x-session-*, Set-Cookie) of the response that redirected, if it had any, were not obeyed: " +
			"take internal_redirect_policy away from routes with accept_updates, so that the client follows the redirect, or have the upstream change the session in its last response")
	}
	if s.live() && !s.route.Signed.InUse() && s.route.Service.Cache.TTL > 0 {
		action.notify(&s.route.Service, api.Changed, keyBody(s.key))
		action.effects().Invalidate = s.key
	}
	return action
}
