package filter

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// cookieState is what a request's Cookie fields hold under one name.
type cookieState uint8

const (
	cookieAbsent cookieState = iota
	cookieOne
	cookieAmbiguous // several, and not all the same
)

// requestCookie is the session cookie of a request.
type requestCookie struct {
	state cookieState
	value string // of cookieOne
	// odd says that parsers differ on the value (it has escapes, white space, or is
	// longer than browsers keep): it is no session's.
	odd bool
	// disguised says that upstreams may read the fields differently than read does, or
	// join several of them with a comma, as gunicorn does: rewritten removes the difference.
	disguised bool
}

// read reads the cookie of a name, over all Cookie fields (HTTP/2 may send one for each pair,
// RFC 9113 section 8.2.3). A pair counts if its name is exactly the name, white space and
// quotes aside, as django.http.cookie.parse_cookie has it.
func (c *requestCookie) read(h Headers, name string) {
	fields := 0
	for i := range h {
		field := &h[i]
		if field[0] != "cookie" {
			continue
		}
		fields++
		c.disguised = c.disguised || fields > 1
		for pairs := scanPairs(field[1], name); pairs.scan(); {
			if pairs.kind == otherPair {
				continue
			}
			c.disguised = c.disguised || pairs.kind != plainPair
			switch {
			case pairs.kind == disguisedPair:
			case c.state == cookieAbsent:
				c.state, c.value, c.odd = cookieOne, pairs.value, pairs.kind == oddPair
			case pairs.value != c.value:
				c.state = cookieAmbiguous
			}
		}
	}
}

// pairKind is what a pair of a Cookie field is to the session cookie.
type pairKind uint8

const (
	otherPair     pairKind = iota // another cookie, to every parser
	plainPair                     // the session cookie, to every parser with this value
	quotedPair                    // the same, where quotes and white space are removed
	oddPair                       // the session cookie, to parsers that differ on its value
	disguisedPair                 // another cookie here, and the session cookie to some parsers
)

// pairScanner walks over the pairs of a Cookie field.
type pairScanner struct {
	rest, name string
	mangled    bool // PHP makes the name of others (see couldBeName)

	// The pair at hand: what it is, and where it is the session cookie its value.
	pair, value string
	kind        pairKind
}

func scanPairs(field, name string) pairScanner {
	if name == "" {
		return pairScanner{} // without a name no pair counts
	}
	return pairScanner{rest: field, name: name, mangled: strings.IndexByte(name, '_') >= 0}
}

// scan goes to the next pair; false if there is none.
func (s *pairScanner) scan() bool {
	if s.rest == "" {
		return false
	}
	from := 0
	if s.rest[0] == ' ' {
		from = 1
	}
	end := from + plainPrefix(s.rest[from:])
	plain := end == len(s.rest) || s.rest[end] == ';'
	if !plain {
		if more := strings.IndexByte(s.rest[end:], ';'); more >= 0 {
			end += more
		} else {
			end = len(s.rest)
		}
	}
	s.pair = s.rest[from:end]
	s.rest = s.rest[min(end+1, len(s.rest)):]
	s.value, s.kind = "", otherPair
	switch name := s.name; {
	case !plain:
		s.value, s.kind = readOddPair(s.pair, name)
	case len(s.pair) <= len(name) || s.pair[len(name)] != '=':
	case s.pair[:len(name)] == name:
		if s.value, s.kind = s.pair[len(name)+1:], plainPair; isOdd(s.value) {
			s.kind = oddPair
		}
	case s.mangled && couldBeName(s.pair[:len(name)], name):
		s.kind = disguisedPair
	}
	return true
}

// readOddPair returns what a pair is that has characters on which parsers differ, and the
// value of the session cookie where it is that.
func readOddPair(pair, name string) (string, pairKind) {
	key, value, hasValue := cut(pair, '=')
	if hasValue && trim(key) == name {
		if value, kind := unquoted(value); kind != plainPair || len(key) == len(name) {
			return value, kind
		}
		return trim(value), quotedPair // there was white space around the name
	}
	if hasValue && couldBeName(key, name) || hasNameWithin(pair, name) {
		return "", disguisedPair
	}
	return "", otherPair
}

// unquoted returns a value without quotes and white space around it.
func unquoted(value string) (string, pairKind) {
	inner := trim(value)
	if len(inner) >= 2 && inner[0] == '"' && inner[len(inner)-1] == '"' {
		inner = inner[1 : len(inner)-1]
	}
	switch {
	case plainPrefix(inner) < len(inner), isOdd(inner):
		return inner, oddPair
	case len(inner) != len(value):
		return inner, quotedPair
	}
	return inner, plainPair
}

// isOdd reports whether parsers differ on a value all of whose bytes are plain: Undertow ends
// it at any separator of RFC 2616 but the colon, and browsers keep none that is so long. It
// looks at eight bytes at once.
func isOdd(value string) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	bytes, at := unsafe.Slice(unsafe.StringData(value), len(value)), 0
	for ; at+8 <= len(bytes); at += 8 {
		word := binary.LittleEndian.Uint64(bytes[at:])
		slash, separators := word^(each*'/'), (word+each*(0x7f-'@'))^(word+each*(0x80-'<'))
		if ((slash-each)|separators)&high != 0 {
			return true
		}
	}
	for ; at < len(value); at++ {
		if c := value[at]; c == '/' || (c >= '<' && c <= '@') {
			return true
		}
	}
	return len(value) > maxCookieBytes
}

// plainPrefix returns how many bytes text begins with that every parser of cookies reads as
// they stand: none takes them for an escape, a quote, a separator or white space. These are
// those from '-' to 'z' in ASCII, but for the semicolon, the backslash and square brackets;
// Django's session keys and signed cookies consist of such. It looks at eight bytes at once.
func plainPrefix(text string) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	bytes, at := unsafe.Slice(unsafe.StringData(text), len(text)), 0
	for ; at+8 <= len(bytes); at += 8 {
		word := binary.LittleEndian.Uint64(bytes[at:])
		semicolon, brackets := word^(each*';'), (word+each*(0x7f-']'))^(word+each*(0x80-'['))
		// The highest bit of the first byte that is not plain is set; those of later
		// bytes may be wrong, as differences borrow from them.
		if special := (word | (word + each*(0x7f-'z')) | (word - each*'-') | (semicolon - each) | brackets) & high; special != 0 {
			return at + bits.TrailingZeros64(special)/8
		}
	}
	for at < len(text) && text[at] >= '-' && text[at] <= 'z' && text[at] != ';' && (text[at] < '[' || text[at] > ']') {
		at++
	}
	return at
}

// couldBeName reports whether some parser makes name of a pair's key: Python's strip removes
// Unicode's white space in UTF-8 or Latin-1, old PHP and Rack undo percent-encoding, PHP makes
// '_' of '.', ' ' and '[', and an array of a name with "[" behind it.
func couldBeName(key, name string) bool {
	key = strings.TrimFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' })
	if key == name {
		return true
	}
	matched := 0
	for key != "" {
		c := key[0]
		key = key[1:]
		if c == '%' && len(key) >= 2 && unhex(key[0]) >= 0 && unhex(key[1]) >= 0 {
			c, key = byte(unhex(key[0])<<4|unhex(key[1])), key[2:]
		}
		switch {
		case matched == len(name):
			return c == '[' || c == 0 // NUL ends a name in old PHP
		case c == name[matched], name[matched] == '_' && (c == '.' || c == ' ' || c == '[' || c == '+'):
			matched++
		case c != ' ' || matched > 0: // PHP skips leading blanks
			return false
		}
	}
	return matched == len(name)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// hasNameWithin reports whether some parser finds a pair of the name behind the start of
// what is one pair here (see endsPair).
func hasNameWithin(pair, name string) bool {
	for rest := pair; ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return false
		}
		before := pair[:len(pair)-len(rest)+at]
		rest = rest[at+len(name):]
		behind := strings.TrimLeftFunc(rest, func(r rune) bool { return r <= ' ' || r >= 0x7f })
		if endsPair(before) && behind != "" && behind[0] == '=' {
			return true
		}
	}
}

// endsPair reports whether some parser takes what follows text for another pair: Python's
// http.cookies separates them by white space, RFC 2965 by commas too, and WebOb by all that
// it does not take for a part of a value, or by nothing behind quotes and dates.
func endsPair(text string) bool {
	if text == "" {
		return true
	}
	last := text[len(text)-1]
	return last <= ' ' || last >= 0x7f || strings.IndexByte(`,"[\]`, last) >= 0 || strings.HasSuffix(text, "GMT")
}

// cut is strings.Cut for one byte, which is found without a look at how long the separator is.
func cut(s string, separator byte) (before, after string, found bool) {
	if i := strings.IndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// trim is strings.Trim for blanks and tabs, as every request has it done a few times.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// rewritten returns the edit of the Cookie fields after which every parser reads the session
// cookie as value, or none where value is empty. Other cookies stay as they are.
func rewritten(h Headers, name, value string) Edit {
	size := len(name) + len(value) + 1
	for i := range h {
		if field := &h[i]; field[0] == "cookie" {
			size += len(field[1]) + 2
		}
	}
	pairs := make([]byte, 0, size)
	if value != "" {
		pairs = append(append(append(pairs, name...), '='), value...)
	}
	for i := range h {
		field := &h[i]
		if field[0] != "cookie" {
			continue
		}
		for scanner := scanPairs(field[1], name); scanner.scan(); {
			pair := trim(scanner.pair)
			if scanner.kind != otherPair || pair == "" {
				continue
			}
			if len(pairs) > 0 {
				pairs = append(pairs, "; "...)
			}
			pairs = append(pairs, pair...)
		}
	}
	if len(pairs) == 0 {
		return Edit{Op: Remove, Name: "cookie"}
	}
	return Edit{Set, "cookie", textOf(pairs)}
}

// pairValue returns the value of one name=value pair of a Set-Cookie field, if it has the
// name.
func pairValue(pair, name string) (string, bool) {
	got, value, ok := cut(pair, '=')
	if !ok || trim(got) != name {
		return "", false
	}
	value = trim(value)
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return value, true
}

// setCookie returns the value to which a response sets the cookie of a name itself: the last
// one, which browsers keep.
func setCookie(h Headers, name string) (value string, ok bool) {
	for i := range h {
		field := &h[i]
		if field[0] != "set-cookie" {
			continue
		}
		pair, _, _ := cut(field[1], ';')
		if set, has := pairValue(pair, name); has {
			value, ok = set, true
		}
	}
	return value, ok
}
