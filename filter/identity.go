package filter

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"cloakroom/filter/config"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

var (
	errIdentityText = errors.New("a session value for an identity header holds control characters, or white space at an end, which no header can carry")
)

// stripEdits returns the edits that remove from a request what only the filter may set on a route.
func stripEdits(route *config.Route, h Headers) []Edit {
	var edits []Edit
	strip, authorization := route.Strip(), route.StripsAuthorization()
	for i := range h {
		if name := h[i][0]; strip.Has(name) || (authorization && config.Fold(name) == config.Authorization) {
			edits = append(edits, Edit{Op: Remove, Name: strings.Clone(name)})
		}
	}
	return edits
}

// value returns the text of a member of the data, or "" if it is not there.
func value(data []rawjson.Member, key string) string {
	for _, m := range data {
		if m.Name == key {
			return m.Value
		}
	}
	return ""
}

// byBackend returns a session's data and true, or the data without the login and false where
// that is by a backend that is not among AuthBackends: to Django the session is anonymous.
func byBackend(id *config.Identity, data []rawjson.Member) ([]rawjson.Member, bool) {
	if len(id.AuthBackends) == 0 {
		return data, true
	}
	backend, ok := rawjson.String(value(data, backendKey))
	if ok && slices.Contains(id.AuthBackends, backend) {
		return data, true
	}
	return slices.DeleteFunc(slices.Clone(data), func(m rawjson.Member) bool {
		return m.Name == session.UserKey || m.Name == hashKey || m.Name == backendKey || m.Name == id.UserKey
	}), false
}

// isUser reports whether the session is one that a user logged in to.
func isUser(id *config.Identity, data []rawjson.Member) bool {
	if id.UserKey == "" {
		return true
	}
	v := value(data, id.UserKey)
	return v != "" && v != "null" && v != `""` && v != "false"
}

// edits appends the edits by which the upstream learns the user and the data. The data's text
// is appended to lines. omitted are the keys of data that the service left out; cut says that
// data is left out, here or there.
func identityEdits(id *config.Identity, edits []Edit, lines []byte, data []rawjson.Member, omitted []string) (all []Edit, text []byte, cut bool, err error) {
	for i := range id.Headers {
		h := &id.Headers[i]
		text, err := "", error(nil)
		if id.Encodes() || config.IsAttribute(h.Key) {
			var left []string
			text, left = encodedHeader(h, data, id.DataMaxBytes)
			omitted = append(slices.Clip(omitted), left...)
		} else if text, err = headerText(value(data, h.Key)); err != nil {
			return nil, lines, false, err
		}
		if text != "" {
			edits = append(edits, Edit{Set, h.Name, text})
		}
	}
	omitted = slices.DeleteFunc(slices.Clone(omitted), func(key string) bool { return !carries(id, key) && !fills(id, key) })
	if id.DataHeader == "" || len(id.DataKeys) == 0 {
		return append(edits, omittedEdit(id, omitted)...), lines, len(omitted) > 0, nil
	}
	start := len(lines)
	lines = appendData(id, lines, data)
	if len(lines)-start > id.DataMaxBytes {
		var left []string
		data, left = fit(id, data)
		omitted = append(omitted, slices.DeleteFunc(left, func(key string) bool { return slices.Contains(omitted, key) })...)
		lines = appendData(id, lines[:start], data)
	}
	edits = append(edits, Edit{Set, id.DataHeader, textOf(lines[start:])})
	return append(edits, omittedEdit(id, omitted)...), lines, len(omitted) > 0, nil
}

// authzResult is what a route makes of a session.
type authzResult struct {
	by    *config.Route
	user  bool // it is a user's
	met   bool // it has all that the route requires
	cut   bool // data was left out
	edits []Edit
	few   [2]Edit // where they lie if there are not more
}

// authorize returns what a route makes of a session, computed once for one that is cached.
// It has edits, or an error where they cannot be made, where the route admits it; the edits of
// filter state where it refuses the session of a user, too.
func (r *LookupResult) authorize(route *config.Route) (*authzResult, error) {
	if r.authz == nil || r.authz.by != route {
		a := &authzResult{} // a stream may use the other's edits
		if _, err := a.authorize(route, r.members(), r.attributes, r.omitted, nil); err != nil {
			return nil, err
		}
		r.authz = a
	}
	return r.authz, nil
}

// authorize is LookupResult.authorize for what is zero yet. A line of data is appended to
// lines.
func (a *authzResult) authorize(route *config.Route, data []rawjson.Member, attributes string, omitted []string, lines []byte) ([]byte, error) {
	data, counts := byBackend(&route.Identity, withoutAttributes(data))
	a.by, a.user, a.met = route, counts && isUser(&route.Identity, data), true
	if a.user {
		data = withAttributes(route, data, attributes)
	} else {
		omitted = slices.DeleteFunc(slices.Clone(omitted), config.IsAttribute)
	}
	for _, q := range route.Require {
		a.met = a.met && met(q, data)
	}
	edits := a.few[:0]
	if a.user && len(route.Identity.State) > 0 {
		var left []string
		edits, left = stateEdits(&route.Identity, data)
		omitted = append(slices.Clip(omitted), left...)
	}
	if !a.met || (!a.user && route.Mode == config.Required) {
		a.edits = slices.Clip(edits)
		return lines, nil
	}
	edits, lines, cut, err := identityEdits(&route.Identity, edits, lines, data, omitted)
	a.edits = slices.Clip(edits) // who appends gets a copy
	a.cut = cut
	return lines, err
}

// appendData appends the data as one line of ASCII JSON.
func appendData(id *config.Identity, line []byte, data []rawjson.Member) []byte {
	size := 2
	for i := range data {
		m := &data[i]
		size += len(m.Name) + len(m.Value) + len(`"":,`)
	}
	start := len(line)
	line = append(slices.Grow(line, size), '{')
	for i := range data {
		m := &data[i]
		if !carries(id, m.Name) {
			continue
		}
		if len(line) > start+1 {
			line = append(line, ',')
		}
		line = rawjson.AppendString(line, m.Name)
		line = append(line, ':')
		line = rawjson.AppendASCII(line, m.Value)
	}
	return append(line, '}')
}

func carries(id *config.Identity, key string) bool {
	for _, k := range id.DataKeys {
		if k == key || (k == "*" && !strings.HasPrefix(key, "_") && !config.IsAttribute(key)) {
			return true
		}
	}
	return false
}

// headerText returns a value as a header's text: a string as it is, anything else as compact
// JSON; "" for nothing and null. White space at an end, which HTTP removes, is an error: two
// values must not become one.
func headerText(raw string) (string, error) {
	if raw == "" || raw == "null" {
		return "", nil
	}
	text, ok := rawjson.String(raw)
	if !ok {
		return string(rawjson.AppendASCII(nil, raw)), nil
	}
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] == 0x7f {
			return "", errIdentityText
		}
	}
	if strings.TrimSpace(text) != text {
		return "", errIdentityText
	}
	return text, nil
}

// met reports whether the data has the required value.
func met(q config.Requirement, data []rawjson.Member) bool {
	raw := value(data, q.Key)
	switch want := q.Value.(type) {
	case string:
		got, ok := rawjson.String(raw)
		return ok && got == want
	case bool:
		return raw == strconv.FormatBool(want)
	case float64:
		got, err := strconv.ParseFloat(raw, 64)
		return err == nil && got == want
	case config.AnyOf:
		got, ok := rawjson.Strings(raw)
		return ok && slices.ContainsFunc(got, func(item string) bool { return slices.Contains(want, item) })
	case config.AllOf:
		got, ok := rawjson.Strings(raw)
		return ok && !slices.ContainsFunc(want, func(item string) bool { return !slices.Contains(got, item) })
	}
	return false
}
