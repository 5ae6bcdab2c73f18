// Package rawjson reads JSON (RFC 8259) strictly and without reflection, as
// wasm wants it: an object is taken apart into its members with their values
// left as text, so that a session's data passes through the filter with its
// numbers untouched and no tree is built for it.
//
// It is stricter than the RFC asks: names may not repeat, nesting is bounded.
package rawjson

import (
	"errors"
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

// members passes over an object and appends its members to dst, and those of the member
// that is called name, where that is an object, to inner.
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

// Strings gives the strings of the one array that text consists of; ok is false
// if it is none, or holds anything else.
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

// names tells whether a name stands twice. Few are compared one by one, which
// is fastest; many go into a map, so that the time does not grow with their
// square: people who can fill a session must not be able to stop a proxy.
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

// space passes over white space, of which there is none in most places.
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

// value passes over one value.
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

// open passes over the bracket that opens an object or an array; more says that an item
// follows it. Else the one that closes it is passed too.
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

// next passes over what follows an item, as open over what is before the first.
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

// name passes over a member's name and the colon, and gives the name as it stands, with
// its quotes.
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

// string passes over a string.
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
