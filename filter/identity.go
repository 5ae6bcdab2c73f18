package filter

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

var (
	errIdentityText = errors.New("a session value for an identity header holds control characters, or white space at an end, which no header can carry")
)

// fold maps header names that some server may take for one another to one
// form: CGI and WSGI make '_' of '-' and of any other byte that is no letter
// and no digit (CVE-2025-64484).
func fold(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] != foldByte(name[i]) {
			folded := []byte(name)
			for i, c := range folded {
				folded[i] = foldByte(c)
			}
			return string(folded)
		}
	}
	return name
}

func foldByte(c byte) byte {
	switch {
	case (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'):
		return c
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	}
	return '-'
}

// stripped are the headers that no client may send, by their folded names; nil: none.
type stripped struct {
	names  map[string]bool
	shapes uint64 // the names' shapes, so that few others are folded
}

func (s *stripped) add(name string) {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[fold(name)] = true
	s.shapes |= shape(name)
}

// has reports whether a header is one of them, whatever form of its name it has.
func (s *stripped) has(name string) bool {
	return s.shapes&shape(name) != 0 && s.names[fold(name)]
}

// edits returns the edits that remove from a request what only the filter may say.
func (s *stripped) edits(h Headers) []Edit {
	if s == nil {
		return nil
	}
	var edits []Edit
	shapes := s.shapes
	for i := range h {
		if name := h[i][0]; shapes&shape(name) != 0 && s.has(name) {
			edits = append(edits, Edit{Op: Remove, Name: strings.Clone(name)})
		}
	}
	return edits
}

// shape returns one of 64 bits, the same for names that fold to the same; none for a
// pseudo-header's.
func shape(name string) uint64 {
	if name == "" || name[0] == ':' {
		return 0
	}
	return 1 << ((uint(len(name))*8 + uint(foldByte(name[len(name)-1]))) % 64)
}

// names returns the headers that carry identity.
func (id *Identity) names() []string {
	names := make([]string, 0, len(id.Headers)+1)
	for _, h := range id.Headers {
		names = append(names, h.Name)
	}
	if id.DataHeader != "" {
		names = append(names, id.DataHeader, id.DataHeader+omittedSuffix)
	}
	return names
}

// reserved are names that HTTP, Envoy or this filter read themselves.
var reserved = []string{
	"host", "cookie", "connection", "content-length", "content-type", "transfer-encoding", "te", "upgrade",
	"set-cookie", "vary", "location", "origin", "accept", "x-request-id", "x-forwarded-for", "x-forwarded-proto",
}

// isIdentityName reports whether a header may carry identity.
func isIdentityName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && !slices.Contains(reserved, name) &&
		!strings.HasPrefix(name, "x-envoy-") && !strings.HasPrefix(name, "sec-")
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
func (id *Identity) byBackend(data []rawjson.Member) ([]rawjson.Member, bool) {
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
func (id *Identity) isUser(data []rawjson.Member) bool {
	if id.UserKey == "" {
		return true
	}
	v := value(data, id.UserKey)
	return v != "" && v != "null" && v != `""` && v != "false"
}

// edits appends the edits by which the upstream learns the user and the data. The data's text
// is appended to lines. omitted are the keys of data that the service left out; cut says that
// data is left out, here or there.
func (id *Identity) edits(edits []Edit, lines []byte, data []rawjson.Member, omitted []string) (all []Edit, text []byte, cut bool, err error) {
	for _, h := range id.Headers {
		text, err := headerText(value(data, h.Key))
		if err != nil {
			return nil, lines, false, err
		}
		if text != "" {
			edits = append(edits, Edit{Set, h.Name, text})
		}
	}
	if id.DataHeader == "" || len(id.DataKeys) == 0 {
		return edits, lines, false, nil
	}
	omitted = slices.DeleteFunc(slices.Clone(omitted), func(key string) bool { return !id.carries(key) })
	start := len(lines)
	lines = id.appendData(lines, data)
	if len(lines)-start > id.DataMaxBytes {
		var left []string
		data, left = id.fit(data)
		omitted = append(omitted, left...)
		lines = id.appendData(lines[:start], data)
	}
	edits = append(edits, Edit{Set, id.DataHeader, textOf(lines[start:])})
	if len(omitted) > 0 {
		edits = append(edits, Edit{Set, id.DataHeader + omittedSuffix, omittedText(omitted)})
	}
	return edits, lines, len(omitted) > 0, nil
}

// authzResult is what a route makes of a session.
type authzResult struct {
	by    *Route
	user  bool // it is a user's
	met   bool // it has all that the route requires
	cut   bool // data was left out
	edits []Edit
	few   [2]Edit // where they lie if there are not more
}

// authorize returns what a route makes of a session, computed once for one that is cached.
// It has edits, or an error where they cannot be made, where the route admits it.
func (r *LookupResult) authorize(route *Route) (*authzResult, error) {
	if r.authz == nil || r.authz.by != route {
		a := &authzResult{} // a stream may use the other's edits
		if _, err := a.authorize(route, r.members(), r.omitted, nil); err != nil {
			return nil, err
		}
		r.authz = a
	}
	return r.authz, nil
}

// authorize is LookupResult.authorize for what is zero yet. A line of data is appended to
// lines.
func (a *authzResult) authorize(route *Route, data []rawjson.Member, omitted []string, lines []byte) ([]byte, error) {
	data, counts := route.Identity.byBackend(data)
	a.by, a.user, a.met = route, counts && route.Identity.isUser(data), true
	for _, q := range route.Require {
		a.met = a.met && q.met(data)
	}
	if !a.met || (!a.user && route.Mode == Required) {
		return lines, nil
	}
	edits, lines, cut, err := route.Identity.edits(a.few[:0], lines, data, omitted)
	a.edits = slices.Clip(edits) // who appends gets a copy
	a.cut = cut
	return lines, err
}

// appendData appends the data as one line of ASCII JSON.
func (id *Identity) appendData(line []byte, data []rawjson.Member) []byte {
	size := 2
	for i := range data {
		m := &data[i]
		size += len(m.Name) + len(m.Value) + len(`"":,`)
	}
	start := len(line)
	line = append(slices.Grow(line, size), '{')
	for i := range data {
		m := &data[i]
		if !id.carries(m.Name) {
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

func (id *Identity) carries(key string) bool {
	for _, k := range id.DataKeys {
		if k == key || (k == "*" && !strings.HasPrefix(key, "_")) {
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
func (q Requirement) met(data []rawjson.Member) bool {
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
	}
	return false
}
