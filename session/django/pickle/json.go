package pickle

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cloakroom/session"
	"cloakroom/session/django"
)

// JSON gives the dict as an object in canonical form (django.Canonical). Its
// errors wrap session.ErrUnreadable, or are session.ErrTooLarge for more than
// django.Limit bytes: a small pickle can say one thing many times.
func (d *Dict) JSON() ([]byte, error) {
	w := writer{}
	w.value(d, 1)
	if w.err != nil {
		return nil, w.err
	}
	return w.out, nil
}

type writer struct {
	out []byte
	err error
}

func (w *writer) value(v Value, depth int) {
	if len(w.out) > django.Limit && w.err == nil {
		w.err = session.ErrTooLarge
	}
	if depth > django.MaxDepth+1 && w.err == nil {
		w.err = refused("nested deeper than %d", django.MaxDepth)
	}
	if w.err != nil {
		return
	}
	switch v := v.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case Int:
		w.out = append(w.out, v...)
	case float64:
		if !finite(v) {
			w.value(nil, depth)
			return
		}
		w.out = append(w.out, repr(v)...)
	case Str:
		w.text(string(v))
	case Bytes, DateTime:
		w.text(plain(v))
	case *List:
		w.items(v.Items, depth)
	case *Tuple:
		w.items(v.Items, depth)
	case *Dict:
		w.dict(v, depth)
	default:
		w.err = refused("a value that is not plain data")
	}
}

// plain is how JSON shows what is a string there only.
func plain(v Value) string {
	switch v := v.(type) {
	case Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v))
	case DateTime:
		return v.String()
	}
	return ""
}

func (w *writer) items(items []Value, depth int) {
	w.out = append(w.out, '[')
	for i, item := range items {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if w.value(item, depth+1); w.err != nil {
			return
		}
	}
	w.out = append(w.out, ']')
}

func (w *writer) dict(d *Dict, depth int) {
	w.out = append(w.out, '{')
	for i, p := range d.pairs {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.text(p.name)
		w.out = append(w.out, ':')
		if w.value(p.value, depth+1); w.err != nil {
			return
		}
	}
	w.out = append(w.out, '}')
}

var short = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// text writes a str as json.dumps does.
func (w *writer) text(s string) {
	w.out = append(w.out, '"')
	for len(s) > 0 {
		r, size := decodeRune(s)
		s = s[size:]
		switch escape, ok := short[r]; {
		case ok:
			w.out = append(w.out, escape...)
		case r >= ' ' && r < 0x7f:
			w.out = append(w.out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			w.unit(high)
			w.unit(low)
		default:
			w.unit(r)
		}
	}
	w.out = append(w.out, '"')
}

func (w *writer) unit(u rune) {
	const hex = "0123456789abcdef"
	w.out = append(w.out, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}

// decodeRune is utf8.DecodeRuneInString, but that it takes surrogates.
func decodeRune(s string) (r rune, size int) {
	r, size = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 && len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return r, size
}

func wellFormed(s string) bool {
	for len(s) > 0 {
		r, size := decodeRune(s)
		if r == utf8.RuneError && size == 1 {
			return false
		}
		s = s[size:]
	}
	return true
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// repr is Python's float.__repr__ of a finite number.
func repr(f float64) string {
	text := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(text, "e")
	if n, err := strconv.Atoi(exponent); err != nil || n < -4 || n >= 16 {
		return text
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
