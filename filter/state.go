package filter

import (
	"cmp"
	"slices"

	"cloakroom/filter/config"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// stateEdits returns the edits that set Envoy's filter state of a user, but for the session's ID, and
// the keys of the values that have no room.
func stateEdits(id *config.Identity, data []rawjson.Member) (edits []Edit, omitted []string) {
	for i := range id.State {
		field := &id.State[i]
		text, fits := encodedText(value(data, field.Key), id.DataMaxBytes)
		switch {
		case field.Key == "":
		case !fits:
			omitted = append(omitted, field.Key)
		case text != "":
			edits = append(edits, Edit{State, field.Name, text})
		}
	}
	return edits, omitted
}

// withSessionID returns the edits of what a route makes of a session, with the filter state of the session's ID
// where it wants that of a user's.
func (s *Stream) withSessionID(r *LookupResult, a *authzResult) []Edit {
	if !a.user {
		return a.edits
	}
	for i := range s.route.Identity.State {
		if field := &s.route.Identity.State[i]; field.Key == "" {
			return append(slices.Clip(a.edits), Edit{State, field.Name, s.sessionID(r)})
		}
	}
	return a.edits
}

// sessionID returns the ID by which operators name the session, as the command line does: of its
// key, or of a session in its cookie the one that its cookies have in common, if they have one.
func (s *Stream) sessionID(r *LookupResult) string {
	if s.handle != nil {
		return session.ID(s.handle.ID)
	}
	return session.ID(cmp.Or(r.key, s.key))
}
