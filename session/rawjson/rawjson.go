// Package rawjson reads JSON (RFC 8259) strictly and without reflection, as
// wasm wants it: an object is taken apart into its members with their values
// left as text, so that a session's data passes through the filter with its
// numbers untouched and no tree is built for it.
//
// It is stricter than the RFC asks: names may not repeat, nesting is bounded.
package rawjson

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deep values may nest.
const MaxDepth = 200

// What is wrong with a text. Errors returned by this package wrap one of them
// and say at which byte.
var (
	ErrSyntax    = errors.New("not JSON")
	ErrDuplicate = errors.New("a name stands twice")
	ErrDepth     = errors.New("nested too deep")
)

type positionError struct {
	err error
	at  int
}

func (e *positionError) Error() string { return e.err.Error() + " (byte " + strconv.Itoa(e.at) + ")" }
func (e *positionError) Unwrap() error { return e.err }

// Member is one member of an object.
type Member struct {
	Name  string // with its escapes resolved
	Value string // the value's own text
}

// Object appends the members of the one object that text consists of to dst,
// in their order. The members share text's memory.
func Object(text string, dst []Member) ([]Member, error) {
	dst, _, err := Nested(text, "", dst, nil)
	return dst, err
}

// Nested is Object, and appends the members of the member that is called name, where
// that is an object, to inner: text is read once. An empty name is nobody's.
func Nested(text, name string, dst, inner []Member) (outer, nested []Member, err error) {
	s := scanner{text: text}
	outer, nested = dst, inner
	if err := s.begin(); err != nil {
		return dst, inner, err
	}
	outer, err = s.members(outer, func(member string) (string, error) {
		if member != name || name == "" || s.peek() != '{' {
			return s.value()
		}
		start := s.at
		var err error
		nested, err = s.members(nested, func(string) (string, error) { return s.value() })
		return s.text[start:s.at], err
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return dst, inner, err
	}
	return outer, nested, nil
}

// members passes over an object and appends its members to dst; value passes over the
// value of the member that it is told and gives its text.
func (s *scanner) members(dst []Member, value func(member string) (string, error)) ([]Member, error) {
	first := len(dst)
	var seen names
	err := s.object(func(name string) error {
		decoded, err := s.name(name)
		if err != nil {
			return err
		}
		if seen.has(decoded, dst[first:]) {
			return s.fail(ErrDuplicate)
		}
		text, err := value(decoded)
		dst = append(dst, Member{decoded, text})
		return err
	})
	return dst, err
}

// Strings gives the strings of the one array that text consists of; ok is false
// if it is none, or holds anything else.
func Strings(text string) (list []string, ok bool) {
	s := scanner{text: text}
	if s.begin() != nil {
		return nil, false
	}
	ok = true
	err := s.array(func(value string) error {
		item, isString := String(value)
		ok = ok && isString
		list = append(list, item)
		return nil
	})
	return list, ok && err == nil && s.end() == nil
}

// names tells whether a name stands twice. Few are compared one by one, which
// is fastest; many go into a map, so that the time does not grow with their
// square: people who can fill a session must not be able to stop a proxy.
type names map[string]bool

// few is up to how many members are compared one by one.
const few = 16

// has reports whether name is among the members before it.
func (n *names) has(name string, before []Member) bool {
	if len(before) <= few {
		return slices.ContainsFunc(before, func(m Member) bool { return m.Name == name })
	}
	if *n == nil {
		*n = make(names, 4*few)
		for _, m := range before {
			(*n)[m.Name] = true
		}
	}
	had := (*n)[name]
	(*n)[name] = true
	return had
}

// scanner walks over text; at is the next byte. Its methods check the syntax
// of what they pass and leave at behind it.
type scanner struct {
	text  string
	at    int
	depth int
}

func (s *scanner) fail(err error) error { return &positionError{err, s.at} }

// begin stands on the first token of a text, which must be UTF-8 as a whole
// (RFC 8259 section 8.1).
func (s *scanner) begin() error {
	if !utf8.ValidString(s.text) {
		return s.fail(ErrSyntax)
	}
	s.space()
	return nil
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) end() error {
	s.space()
	if s.at != len(s.text) {
		return s.fail(ErrSyntax)
	}
	return nil
}

// value passes over one value and gives its text.
func (s *scanner) value() (string, error) {
	start := s.at
	var err error
	switch c := s.peek(); {
	case c == '{':
		err = s.object(func(string) error {
			_, err := s.value()
			return err
		})
	case c == '[':
		err = s.array(nil)
	case c == '"':
		_, err = s.string()
	case c == '-' || (c >= '0' && c <= '9'):
		err = s.number()
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	default:
		err = s.fail(ErrSyntax)
	}
	return s.text[start:s.at], err
}

func (s *scanner) literal(word string) error {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		return s.fail(ErrSyntax)
	}
	s.at += len(word)
	return nil
}

// list passes over what stands between open and close, item by item.
func (s *scanner) list(open, close byte, item func() error) error {
	if s.peek() != open {
		return s.fail(ErrSyntax)
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail(ErrDepth)
	}
	s.at++
	s.space()
	if s.peek() == close {
		s.at++
		s.depth--
		return nil
	}
	for {
		s.space()
		if err := item(); err != nil {
			return err
		}
		s.space()
		c := s.peek()
		if c != ',' && c != close {
			return s.fail(ErrSyntax)
		}
		s.at++
		if c == close {
			s.depth--
			return nil
		}
	}
}

// object passes over an object; member gets every name as it stands, with quotes, and
// passes over its value.
func (s *scanner) object(member func(name string) error) error {
	return s.list('{', '}', func() error {
		name, err := s.string()
		if err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return s.fail(ErrSyntax)
		}
		s.at++
		s.space()
		return member(name)
	})
}

func (s *scanner) array(each func(value string) error) error {
	return s.list('[', ']', func() error {
		value, err := s.value()
		if err != nil || each == nil {
			return err
		}
		return each(value)
	})
}

// plain gives where the next byte is, from at on, that ends a string or is not printable
// ASCII as it stands.
func plain(text string, at int) int {
	for at < len(text) && text[at] >= ' ' && text[at] < 0x7f && text[at] != '"' && text[at] != '\\' {
		at++
	}
	return at
}

// string passes over a string and gives its text with the quotes.
func (s *scanner) string() (string, error) {
	start := s.at
	if s.peek() != '"' {
		return "", s.fail(ErrSyntax)
	}
	for s.at = plain(s.text, s.at+1); s.at < len(s.text); s.at = plain(s.text, s.at+1) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start:s.at], nil
		case c < ' ':
			return "", s.fail(ErrSyntax)
		case c == '\\':
			if err := s.escape(); err != nil {
				return "", err
			}
		}
	}
	return "", s.fail(ErrSyntax)
}

// escape stands on a backslash and stops on the escape's last byte.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		if len(s.text)-s.at < 5 || hex4(s.text[s.at+1:s.at+5]) < 0 {
			return s.fail(ErrSyntax)
		}
		s.at += 4
		return nil
	}
	return s.fail(ErrSyntax)
}

func (s *scanner) digits() error {
	start := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	if s.at == start {
		return s.fail(ErrSyntax)
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return nil
}
