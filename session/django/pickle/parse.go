package pickle

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cloakroom/session"
	"cloakroom/session/django"
)

// maxDigits is the maximum number of digits of an int that Python parses.
const maxDigits = 4300

// parse parses a JSON object as Python's json.loads does. Its errors are django.ErrJSON, and
// session.ErrTooLarge for more than django.Limit bytes or for numbers that Python rejects, or
// parses as infinite.
func parse(text []byte) (*Dict, error) {
	text, err := django.Canonical(text)
	switch {
	case err != nil:
		return nil, err
	case len(text) > django.Limit:
		return nil, session.ErrTooLarge
	}
	p := parser{in: string(text)}
	d := p.object()
	return d, p.err
}

// parser parses canonical JSON, whose syntax has been checked.
type parser struct {
	in  string
	err error
}

func (p *parser) value() Value {
	switch p.in[0] {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return p.text()
	case 'n':
		p.in = p.in[len("null"):]
		return nil
	case 't':
		p.in = p.in[len("true"):]
		return true
	case 'f':
		p.in = p.in[len("false"):]
		return false
	}
	return p.number()
}

// next skips one character and reports whether it was end.
func (p *parser) next(end byte) bool {
	c := p.in[0]
	p.in = p.in[1:]
	return c == end
}

func (p *parser) object() *Dict {
	d := &Dict{}
	if p.in = p.in[1:]; p.in[0] == '}' {
		p.in = p.in[1:]
		return d
	}
	for {
		name := p.text()
		p.in = p.in[1:]
		d.set(name, p.value())
		if p.next('}') {
			return d
		}
	}
}

func (p *parser) array() *Seq {
	list := &Seq{}
	if p.in = p.in[1:]; p.in[0] == ']' {
		p.in = p.in[1:]
		return list
	}
	for {
		list.items = append(list.items, p.value())
		if p.next(']') {
			return list
		}
	}
}

func (p *parser) number() Value {
	n := strings.IndexAny(p.in, ",]}")
	text := p.in[:n]
	p.in = p.in[n:]
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			text = "0"
		}
		if len(strings.TrimPrefix(text, "-")) > maxDigits {
			p.err = fmt.Errorf("%w: a number of more than %d digits", session.ErrTooLarge, maxDigits)
		}
		return Int(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.err = fmt.Errorf("%w: a number that Python reads as infinite", session.ErrTooLarge)
	}
	return f
}

// text parses a string: ASCII with escapes.
func (p *parser) text() Str {
	var out []byte
	for p.in = p.in[1:]; ; {
		c := p.in[0]
		switch {
		case c == '"':
			p.in = p.in[1:]
			return Str(out)
		case c != '\\':
			out = append(out, c)
			p.in = p.in[1:]
		case p.in[1] == 'u':
			out = appendRune(out, p.escape())
		default:
			out = append(out, "\"\\\b\f\n\r\t"[strings.IndexByte(`"\bfnrt`, p.in[1])])
			p.in = p.in[2:]
		}
	}
}

// escape parses one hexadecimal character, which may take two escapes.
func (p *parser) escape() rune {
	r := p.unit()
	if utf16.IsSurrogate(r) && strings.HasPrefix(p.in, `\u`) {
		rest := p.in
		if pair := utf16.DecodeRune(r, p.unit()); pair != utf8.RuneError {
			return pair
		}
		p.in = rest
	}
	return r
}

func (p *parser) unit() rune {
	n, _ := strconv.ParseUint(p.in[2:6], 16, 16) // canonical JSON has four digits
	p.in = p.in[6:]
	return rune(n)
}

// appendRune is utf8.AppendRune, but accepts surrogates.
func appendRune(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(out, r)
}
