// Package rawjson parses JSON (RFC 8259) strictly and without reflection, for use in wasm: it
// splits an object into its members and keeps their values as text, so that a session's data
// passes through the filter with its numbers unchanged and without a tree.
//
// It is stricter than the RFC: names must not repeat, and depth is bounded.
package rawjson

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deep values may be nested.
const MaxDepth = 200

// The errors of this package wrap one of these and name the byte.
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

// Object appends the members of the object in text to dst, in their order. text must hold nothing
// else. The members share text's memory.
func Object(text string, dst []Member) ([]Member, error) {
	dst, _, err := Nested(text, "", dst, nil)
	return dst, err
}

// Nested is Object, and also appends the members of the member that is called name, if that is an
// object, to inner: text is scanned once. An empty name matches no member.
func Nested(text, name string, dst, inner []Member) (outer, nested []Member, err error) {
	s := scanner{text: text}
	if err = s.begin(); err != nil {
		return dst, inner, err
	}
	if outer, nested, err = s.members(name, dst, inner); err == nil {
		err = s.end()
	}
	if err != nil {
		return dst, inner, err
	}
	return outer, nested, nil
}

// members scans an object and appends its members to dst, and those of the member that is called
// name, if that is an object, to inner.
func (s *scanner) members(name string, dst, inner []Member) (outer, nested []Member, err error) {
	first := len(dst)
	var seen names
	more, err := s.open('{', '}')
	for more {
		var raw string
		if raw, err = s.name(); err != nil {
			break
		}
		member, _ := String(raw)
		if seen.has(member, dst[first:]) {
			return dst, inner, s.fail(ErrDuplicate)
		}
		start := s.at
		if member == name && name != "" && s.peek() == '{' {
			inner, _, err = s.members("", inner, nil)
		} else {
			err = s.value()
		}
		if err != nil {
			break
		}
		dst = append(dst, Member{member, s.text[start:s.at]})
		if more, err = s.next('}'); err != nil {
			break
		}
	}
	return dst, inner, err
}

// Strings returns the strings of the array in text; ok is false if text is no array, or holds
// other values.
func Strings(text string) (list []string, ok bool) {
	s := scanner{text: text}
	if s.begin() != nil {
		return nil, false
	}
	more, err := s.open('[', ']')
	for more && err == nil {
		start := s.at
		if err = s.value(); err == nil {
			item, isString := String(s.text[start:s.at])
			if !isString {
				return nil, false
			}
			list = append(list, item)
			more, err = s.next(']')
		}
	}
	return list, err == nil && s.end() == nil
}

// names detects repeated names. Few are compared one by one, which is fastest; many go into a map,
// so that the time does not grow with their square: a client that can fill a session must not be
// able to stall a proxy.
type names map[string]bool

// few is up to how many members are compared one by one.
const few = 16

// has reports whether name is among the members before it.
func (n *names) has(name string, before []Member) bool {
	if len(before) <= few {
		for i := range before {
			if before[i].Name == name {
				return true
			}
		}
		return false
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

// scanner scans text; at is the next byte. Its methods check the syntax of a token or value and
// advance at past it.
type scanner struct {
	text  string
	at    int
	depth int
}

func (s *scanner) fail(err error) error { return &positionError{err, s.at} }

// begin advances to the first token of a text, which must be UTF-8 as a whole (RFC 8259 section
// 8.1).
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

// space skips white space, of which there is usually none.
func (s *scanner) space() {
	if s.at < len(s.text) && s.text[s.at] <= ' ' {
		s.spaces()
	}
}

func (s *scanner) spaces() {
	for c := s.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = s.peek() {
		s.at++
	}
}

func (s *scanner) end() error {
	s.space()
	if s.at != len(s.text) {
		return s.fail(ErrSyntax)
	}
	return nil
}

// value scans one value.
func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	case c == '{':
		more, err := s.open('{', '}')
		for more && err == nil {
			if _, err = s.name(); err == nil {
				err = s.value()
			}
			if err == nil {
				more, err = s.next('}')
			}
		}
		return err
	case c == '[':
		more, err := s.open('[', ']')
		for more && err == nil {
			if err = s.value(); err == nil {
				more, err = s.next(']')
			}
		}
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.fail(ErrSyntax)
}

func (s *scanner) literal(word string) error {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		return s.fail(ErrSyntax)
	}
	s.at += len(word)
	return nil
}

// open scans the opening bracket of an object or an array; more reports that an item follows. If
// not, it scans the closing bracket, too.
func (s *scanner) open(open, close byte) (more bool, err error) {
	if s.peek() != open {
		return false, s.fail(ErrSyntax)
	}
	if s.depth++; s.depth > MaxDepth {
		return false, s.fail(ErrDepth)
	}
	s.at++
	s.space()
	if s.peek() == close {
		s.at++
		s.depth--
		return false, nil
	}
	return true, nil
}

// next scans what follows an item, as open scans what precedes the first.
func (s *scanner) next(close byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.at++
		s.space()
		return true, nil
	case close:
		s.at++
		s.depth--
		return false, nil
	}
	return false, s.fail(ErrSyntax)
}

// name scans a member's name and the colon, and returns the name as text, with its quotes.
func (s *scanner) name() (raw string, err error) {
	start := s.at
	if err := s.string(); err != nil {
		return "", err
	}
	raw = s.text[start:s.at]
	s.space()
	if s.peek() != ':' {
		return "", s.fail(ErrSyntax)
	}
	s.at++
	s.space()
	return raw, nil
}

// string scans a string.
func (s *scanner) string() error {
	if s.peek() != '"' {
		return s.fail(ErrSyntax)
	}
	for s.at = plain(s.text, s.at+1); s.at < len(s.text); s.at = plain(s.text, s.at+1) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return s.fail(ErrSyntax)
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return s.fail(ErrSyntax)
}

// escape scans an escape: it begins at the backslash and stops at the last byte.
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
	at := s.at
	for at < len(s.text) && s.text[at] >= '0' && s.text[at] <= '9' {
		at++
	}
	if at == s.at {
		return s.fail(ErrSyntax)
	}
	s.at = at
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
