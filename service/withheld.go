package service

import (
	"fmt"
	"strings"

	"cloakroom/session"
)

// namedValues bounds how many withheld values a warning names.
const namedValues = 5

// noteWithheld counts and logs that a session has withheld values.
func (s *service) noteWithheld(v session.Session) {
	if v.Origin == nil || len(v.Origin.Withheld) == 0 || v.Origin.Text == "" {
		return // nothing is withheld, or only for its size
	}
	s.metrics.withheld.Inc()
	s.throttle.warn("a session holds values that JSON cannot show: services do not get them, and writes keep them",
		"session", session.ID(v.Key), "values", describeWithheld(v.Origin.Withheld))
}

// describeWithheld returns the keys and the types of values, not the values.
func describeWithheld(values []session.Withheld) string {
	var list []string
	for _, w := range values[:min(len(values), namedValues)] {
		key := "(a key that JSON cannot represent)"
		if w.Key != "" {
			key = fmt.Sprintf("%.60q", w.Key)
		}
		list = append(list, key+": "+w.Why)
	}
	if more := len(values) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}
