package pickle

import (
	"strconv"
	"strings"
)

// The opcodes of protocol 0, whose arguments are lines of text.

// line reads a line and returns it without its end.
func (l *loader) line() string {
	i := strings.IndexByte(l.in, '\n')
	text := l.take(uint64(i + 1)) // empty if there is no line end
	if i < 0 || text == "" {
		l.fail("cut off")
		return ""
	}
	return text[:i]
}

func (l *loader) int(n int64) { l.push(Int(strconv.FormatInt(n, 10))) }

// number reads a memo index.
func (l *loader) number() uint64 {
	n, err := strconv.ParseUint(l.line(), 10, 31)
	if err != nil {
		l.fail("no number of the memo")
	}
	return n
}

// decimal pushes an int in decimal digits; 00 and 01 are False and True if bools is set.
func (l *loader) decimal(text string, bools bool) {
	digits := strings.TrimPrefix(text, "-")
	switch {
	case bools && (text == "00" || text == "01"):
		l.push(text == "01")
	case digits == "" || len(digits) > maxDigits || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' && text != "0":
		l.fail("no int")
	default:
		l.push(Int(text))
	}
}

func (l *loader) decimalLong() {
	text, ok := strings.CutSuffix(l.line(), "L")
	if !ok {
		l.fail("no int")
	}
	l.decimal(text, false)
}

// textFloat reads a float as float.__repr__ writes it.
func (l *loader) textFloat() {
	text := l.line()
	f, err := strconv.ParseFloat(text, 64)
	if named := text == "nan" || strings.TrimPrefix(text, "-") == "inf"; err != nil || !named && strings.Trim(text, "0123456789+-.e") != "" {
		l.fail("no float")
		return
	}
	l.push(f)
}

// unescape decodes Python's raw-unicode-escape: Latin-1 with \uXXXX and
// \UXXXXXXXX.
func (l *loader) unescape(text string) string {
	var out []byte
	for len(text) > 0 {
		size := 0
		switch {
		case strings.HasPrefix(text, `\u`):
			size = 4
		case strings.HasPrefix(text, `\U`):
			size = 8
		default:
			out = appendRune(out, rune(text[0]))
			text = text[1:]
			continue
		}
		if len(text) < 2+size {
			l.fail("a str cut off")
			return ""
		}
		r, err := strconv.ParseUint(text[2:2+size], 16, 32)
		if err != nil || r > 0x10ffff {
			l.fail("a str with a wrong escape")
			return ""
		}
		out = appendRune(out, rune(r))
		text = text[2+size:]
	}
	return string(out)
}
