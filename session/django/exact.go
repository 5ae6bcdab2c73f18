package django

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// A document of Python's json module may hold what Canonical rejects: NaN and the infinities, and
// values that are nested deeper than MaxDepth. Data then shows null in place of the numbers and
// omits the members that are nested too deep. The session's Origin holds the document in Python's
// canonical form; a write takes the values that it does not change from there.

// whyDeep is the reason for withholding a member that is nested too deep.
const whyDeep = "nested too deep"

// read parses a document of at most limit bytes as Python's json.loads does, and returns data in
// canonical form. Its errors are ErrFormat and session.ErrTooLarge.
func read(raw []byte, limit int) (data []byte, origin *session.Origin, err error) {
	raw = latin1(raw)
	s := scanner{in: raw, out: make([]byte, 0, len(raw)), python: true}
	switch ok := s.document(); {
	case ok && !s.inexact:
		data = s.out
	case ok || s.deep:
		data, origin, err = readExact(raw)
	default:
		err = fmt.Errorf("%w: %w", ErrFormat, ErrJSON)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) > limit || origin != nil && len(origin.Text) > limit:
		return nil, nil, session.ErrTooLarge
	}
	return data, origin, nil
}

// readExact is read for a document that JSON cannot show in full.
func readExact(raw []byte) (data []byte, origin *session.Origin, err error) {
	s := scanner{in: raw, out: make([]byte, 0, len(raw)), python: true, exact: true, skipDeep: true}
	if !s.document() {
		return nil, nil, fmt.Errorf("%w: %w", ErrFormat, ErrJSON)
	}
	origin = &session.Origin{Text: string(s.out), Inexact: s.inexact}
	data = append(data, '{')
	for _, m := range parts(origin.Text) {
		if deep(m.value) {
			name, _ := rawjson.String(m.name)
			origin.Withheld = append(origin.Withheld, session.Withheld{Key: name, Why: whyDeep})
			if session.Essential(name) {
				return nil, nil, fmt.Errorf("%w: %s: %s", ErrFormat, name, whyDeep)
			}
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(append(append(data, m.name...), ':'), shown(m.value)...)
	}
	return append(data, '}'), origin, nil
}

// write returns the document to store for data, which must be a JSON object, with the values that
// origin keeps. Its errors are ErrJSON, session.ErrTooLarge and session.ErrUnwritable.
func write(data []byte, origin *session.Origin, limit int) ([]byte, error) {
	data, err := Canonical(data)
	if err == nil && origin != nil {
		data, err = restore(data, origin)
	}
	switch {
	case err != nil:
		return nil, err
	case len(data) > limit:
		return nil, session.ErrTooLarge
	}
	return data, nil
}

// restore returns data, which is canonical, with the values of origin that data does not change
// and those that are withheld, in their places.
func restore(data []byte, origin *session.Origin) ([]byte, error) {
	changed := parts(string(data))
	now := make(map[string]string, len(changed))
	for _, m := range changed {
		now[m.name] = m.value
	}
	out := []byte{'{'}
	add := func(name, value string) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	for _, m := range parts(origin.Text) {
		value, ok := now[m.name]
		delete(now, m.name)
		name, _ := rawjson.String(m.name)
		switch isDeep := deep(m.value); {
		case isDeep && ok:
			return nil, fmt.Errorf("%w: the value under %.40q is %s; it can be kept or removed", session.ErrUnwritable, name, whyDeep)
		case isDeep && !slices.Contains(origin.Removed, name):
			add(m.name, m.value)
		case ok:
			merged, err := merge(m.value, value)
			if err != nil {
				return nil, fmt.Errorf("%w, in %.40q", err, name)
			}
			add(m.name, merged)
		}
	}
	for _, m := range changed {
		if _, isNew := now[m.name]; isNew {
			add(m.name, m.value)
		}
	}
	return append(out, '}'), nil
}

var errInexact = errors.New("NaN or an infinity would be changed; it can be kept or removed")

// merge returns new, with the values of old where new shows the same. Both are canonical, except
// for NaN and the infinities in old.
func merge(old, new string) (string, error) {
	switch plain := shown(old); {
	case plain == old:
		return new, nil
	case plain == new:
		return old, nil
	case old[0] != '{' || new[0] != '{':
		return "", fmt.Errorf("%w: %w", session.ErrUnwritable, errInexact)
	}
	before := map[string]string{}
	for _, m := range parts(old) {
		before[m.name] = m.value
	}
	var out strings.Builder
	out.WriteByte('{')
	for i, m := range parts(new) {
		value := m.value
		if was, ok := before[m.name]; ok {
			var err error
			if value, err = merge(was, value); err != nil {
				return "", err
			}
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(m.name + ":" + value)
	}
	out.WriteByte('}')
	return out.String(), nil
}

// part is a member of an object, as text.
type part struct{ name, value string }

// parts splits an object in canonical form into its members, whatever their depth.
func parts(text string) (list []part) {
	for at := 1; at < len(text) && text[at] != '}'; {
		colon := end(text, at)
		next := end(text, colon+1)
		list = append(list, part{text[at:colon], text[colon+1 : next]})
		at = next + 1
	}
	return list
}

// end returns the end of the value that begins at byte at of a text in canonical form.
func end(text string, at int) int {
	for depth := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = stringEnd(text, at)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at
			}
		case ',', ':':
			if depth == 0 {
				return at
			}
		}
	}
	return at
}

// stringEnd returns the position of the last quote of the string that begins at byte at.
func stringEnd(text string, at int) int {
	for at++; at < len(text) && text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at
}

// deep reports whether a member's value is nested deeper than MaxDepth allows.
func deep(text string) bool {
	depth := 1 // the object that holds it
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = stringEnd(text, at)
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// shown returns a value in canonical form with null in place of what JSON lacks.
func shown(text string) string {
	if !strings.Contains(text, "N") && !strings.Contains(text, "I") {
		return text
	}
	var out strings.Builder
	from := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = stringEnd(text, at)
		case 'N', 'I':
			word, sign := "NaN", 0
			if text[at] == 'I' {
				word = "Infinity"
			}
			if at > 0 && text[at-1] == '-' {
				sign = 1
			}
			out.WriteString(text[from:at-sign] + "null")
			from = at + len(word)
			at = from - 1
		}
	}
	if from == 0 {
		return text
	}
	out.WriteString(text[from:])
	return out.String()
}
