package rawjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String decodes a JSON string, with its quotes, that Object or Decode has accepted. ok is false
// if raw is no string.
func String(raw string) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if plain(inner, 0) == len(inner) || strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			out = append(out, inner[i])
			continue
		}
		i++
		if inner[i] != 'u' {
			out = append(out, unescaped(inner[i]))
			continue
		}
		r := rune(hex4(inner[i+1 : i+5]))
		i += 4
		if utf16.IsSurrogate(r) {
			var low rune = -1
			if len(inner)-i > 6 && inner[i+1] == '\\' && inner[i+2] == 'u' {
				low = rune(hex4(inner[i+3 : i+7]))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), true
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hex4 parses four hexadecimal digits. It returns -1 if they are none.
func hex4(s string) int {
	n := 0
	for i := 0; i < 4; i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return -1
		}
	}
	return n
}

const hexDigits = "0123456789abcdef"

// AppendString appends text as a JSON string of ASCII.
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		if end := plain(text, i); end > i {
			dst = append(dst, text[i:end]...)
			i = end
			continue
		}
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			dst = appendRune(dst, r)
			i += size
			continue
		}
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = appendUnit(dst, rune(c))
		}
		i++
	}
	return append(dst, '"')
}

// AppendASCII appends raw, a text that Object or Decode has accepted, as one line of ASCII: it
// escapes other characters, and removes white space between tokens.
func AppendASCII(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); {
		from := i
		switch {
		case raw[i] == '"':
			i = stringEnd(raw, i)
			dst = appendASCIIString(dst, raw[from:i])
		case raw[i] <= ' ':
			i++
		default: // other tokens are ASCII
			for i < len(raw) && raw[i] > ' ' && raw[i] != '"' {
				i++
			}
			dst = append(dst, raw[from:i]...)
		}
	}
	return dst
}

// stringEnd returns the end of the string that begins at a quote.
func stringEnd(raw string, at int) int {
	for at = plain(raw, at+1); at < len(raw) && raw[at] != '"'; at = plain(raw, at+1) {
		if raw[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func appendASCIIString(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(raw[i:])
			dst = appendRune(dst, r)
			i += size
		case c == 0x7f:
			dst = appendUnit(dst, rune(c))
			i++
		default:
			end := i + 1
			for end < len(raw) && raw[end] < 0x7f {
				end++
			}
			dst = append(dst, raw[i:end]...)
			i = end
		}
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, high), low)
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, unit rune) []byte {
	return append(dst, '\\', 'u',
		hexDigits[unit>>12&15], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
}
