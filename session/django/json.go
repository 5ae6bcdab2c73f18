package django

import (
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep the values of a session may be nested, the session itself included.
const MaxDepth = 128

// ErrJSON is the error of a text that is not one JSON object (RFC 8259), or is nested deeper than
// MaxDepth.
var ErrJSON = errors.New("django: not a JSON object")

// Canonical returns the text that Python's json.dumps(obj, separators=(",", ":")) writes for the
// object in text: one line of ASCII. Of repeated names the last counts, as in Python. Numbers keep
// their text. text must be UTF-8.
func Canonical(text []byte) ([]byte, error) {
	s := scanner{in: text, out: make([]byte, 0, len(text))}
	if !s.document() {
		return nil, ErrJSON
	}
	return s.out, nil
}

// scanner copies in to out, value by value. Its methods report whether the text was valid.
type scanner struct {
	in       []byte
	at       int
	out      []byte
	python   bool // accept NaN, Infinity and -Infinity
	exact    bool // write them as they are, not null
	skipDeep bool // copy members of the document that nest too deep
	inexact  bool // such a number was found
	deep     bool // a value is nested too deep
}

// document scans one object, which must be all of in.
func (s *scanner) document() bool {
	s.space()
	if s.peek() != '{' || !s.value(1) {
		return false
	}
	s.space()
	return s.at == len(s.in)
}

// peek returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for {
		switch s.peek() {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// take skips white space, then scans c.
func (s *scanner) take(c byte) bool {
	if s.space(); s.peek() != c || s.at == len(s.in) {
		return false
	}
	s.at++
	return true
}

// word scans one of Python's or JSON's words and writes instead in its place.
func (s *scanner) word(word, instead string) bool {
	if len(s.in)-s.at < len(word) || string(s.in[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	s.out = append(s.out, instead...)
	return true
}

func (s *scanner) value(depth int) bool {
	s.space()
	c := s.peek()
	if c != '{' && c != '[' {
		return s.scalar(c)
	}
	if depth > MaxDepth {
		s.deep = true
		return false
	}
	if c == '{' {
		return s.object(depth)
	}
	return s.array(depth)
}

// scalar scans a value that begins with c and holds no other values.
func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		return s.text()
	case 't':
		return s.word("true", "true")
	case 'f':
		return s.word("false", "false")
	case 'n':
		return s.word("null", "null")
	}
	if s.python && (s.special("NaN") || s.special("Infinity") || s.special("-Infinity")) {
		return true
	}
	return s.number()
}

// special scans one of Python's numbers that JSON lacks.
func (s *scanner) special(word string) bool {
	instead := "null"
	if s.exact {
		instead = word
	}
	if !s.word(word, instead) {
		return false
	}
	s.inexact = true
	return true
}

func (s *scanner) array(depth int) bool {
	s.at++
	s.out = append(s.out, '[')
	for first := true; ; first = false {
		if first && s.take(']') {
			break
		}
		if !s.value(depth + 1) {
			return false
		}
		if s.take(']') {
			break
		}
		if !s.take(',') {
			return false
		}
		s.out = append(s.out, ',')
	}
	s.out = append(s.out, ']')
	return true
}

func (s *scanner) number() bool {
	start := s.at
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		if s.at++; !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return false
		}
	}
	s.out = append(s.out, s.in[start:s.at]...)
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}

func (s *scanner) text() bool {
	s.at++
	s.out = append(s.out, '"')
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			s.out = append(s.out, '"')
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		case c < utf8.RuneSelf:
			s.at++
			s.unit(rune(c))
		default:
			r, size := utf8.DecodeRune(s.in[s.at:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			s.at += size
			s.rune(r)
		}
	}
	return false
}

// escapes are the characters with a short escape. Python does not write that of the slash.
const escapes, escaped = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escape scans one escape. A lone surrogate stays alone, as in Python.
func (s *scanner) escape() bool {
	s.at++
	if s.peek() == 'u' {
		if len(s.in)-s.at < 5 {
			return false
		}
		unit, ok := hex4(s.in[s.at+1 : s.at+5])
		s.at += 5
		s.unit(unit)
		return ok
	}
	for i := range len(escapes) {
		if s.at < len(s.in) && escapes[i] == s.in[s.at] {
			s.at++
			s.unit(rune(escaped[i]))
			return true
		}
	}
	return false
}

func hex4(digits []byte) (unit rune, ok bool) {
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

func (s *scanner) rune(r rune) {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		s.unit(high)
		r = low
	}
	s.unit(r)
}

// unit writes one UTF-16 code unit.
func (s *scanner) unit(u rune) {
	const hex = "0123456789abcdef"
	if u >= ' ' && u < 0x7f && u != '"' && u != '\\' {
		s.out = append(s.out, byte(u))
		return
	}
	for i := range len(escapes) {
		if rune(escaped[i]) == u {
			s.out = append(s.out, '\\', escapes[i])
			return
		}
	}
	s.out = append(s.out, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}
