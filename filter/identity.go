package filter

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"cloakroom/session/rawjson"
)

var (
	errIdentityText = errors.New("a session value for an identity header holds control characters")
	errDataTooLarge = errors.New("the session's data is larger than identity.data_max_bytes; choose fewer keys with identity.data_keys")
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
	names   map[string]bool
	lengths uint64 // the bit of a name's length, so that few are folded
}

func (s *stripped) add(name string) {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[fold(name)] = true
	s.lengths |= lengthBit(name)
}

func lengthBit(name string) uint64 { return 1 << min(len(name), 63) }

// names gives the headers that carry identity.
func (id *Identity) names() []string {
	names := make([]string, 0, len(id.Headers)+1)
	for _, h := range id.Headers {
		names = append(names, h.Name)
	}
	if id.DataHeader != "" {
		names = append(names, id.DataHeader)
	}
	return names
}

// addStripped adds what no client may send where r holds.
func (r *Route) addStripped(strip *stripped) {
	for _, name := range r.Identity.names() {
		strip.add(name)
	}
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

// stripIdentity gives the edits that take from a request what only the filter
// may say.
func (r *Route) stripIdentity(h Headers) []Edit {
	if r.strip == nil {
		return nil
	}
	var edits []Edit
	lengths := r.strip.lengths
	for i := range h {
		field := &h[i]
		if name := field[0]; lengths&lengthBit(name) != 0 && name[0] != ':' && r.strip.names[fold(name)] {
			edits = append(edits, Edit{Op: Remove, Name: strings.Clone(name)})
		}
	}
	return edits
}

// value gives the text of a member of the data, or "" if it is not there.
func value(data []rawjson.Member, key string) string {
	for _, m := range data {
		if m.Name == key {
			return m.Value
		}
	}
	return ""
}

// isUser reports whether the session is one that a user logged in to.
func (id *Identity) isUser(data []rawjson.Member) bool {
	if id.UserKey == "" {
		return true
	}
	v := value(data, id.UserKey)
	return v != "" && v != "null" && v != `""` && v != "false"
}

// edits appends the edits that tell the upstream who this is. The data's text lies in the
// memory of line, if that has room.
func (id *Identity) edits(edits []Edit, line []byte, data []rawjson.Member) ([]Edit, []byte, error) {
	for _, h := range id.Headers {
		text, err := headerText(value(data, h.Key))
		if err != nil {
			return nil, line, err
		}
		if text != "" {
			edits = append(edits, Edit{Set, h.Name, text})
		}
	}
	if id.DataHeader == "" {
		return edits, line, nil
	}
	line = id.dataLine(line, data)
	if len(line) > id.DataMaxBytes {
		return nil, line, errDataTooLarge
	}
	return append(edits, Edit{Set, id.DataHeader, textOf(line)}), line, nil
}

// judged is what a route makes of a session.
type judged struct {
	by    *Route
	user  bool // it is a user's
	met   bool // it has all that the route requires
	edits []Edit
	few   [2]Edit // where they lie if there are not more
}

// judge says what a route makes of a session, found out once for one that is remembered.
// It has edits, or an error where they cannot be made, where the route admits it.
func (r *record) judge(route *Route) (*judged, error) {
	if r.judged == nil || r.judged.by != route {
		j := &judged{} // a stream may have the other's edits
		if _, err := j.judge(route, r.members(), nil); err != nil {
			return nil, err
		}
		r.judged = j
	}
	return r.judged, nil
}

// judge is record.judge for what is zero yet, with memory for a line of data.
func (j *judged) judge(route *Route, data []rawjson.Member, line []byte) ([]byte, error) {
	j.by, j.user, j.met = route, route.Identity.isUser(data), true
	for _, q := range route.Require {
		j.met = j.met && q.met(data)
	}
	if !j.met || (!j.user && route.Mode == Required) {
		return line, nil
	}
	edits, line, err := route.Identity.edits(j.few[:0], line, data)
	j.edits = slices.Clip(edits) // who appends gets a copy
	return line, err
}

// dataLine gives the data as one line of ASCII JSON, in the memory of line, if that has room.
func (id *Identity) dataLine(line []byte, data []rawjson.Member) []byte {
	size := 2
	for i := range data {
		m := &data[i]
		size += len(m.Name) + len(m.Value) + len(`"":,`)
	}
	line = append(slices.Grow(line[:0], size), '{')
	for i := range data {
		m := &data[i]
		if !id.carries(m.Name) {
			continue
		}
		if len(line) > 1 {
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

// headerText gives a value as a header's text: a string as it is, anything
// else as compact JSON; nothing and null give "".
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
	return strings.TrimSpace(text), nil
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
