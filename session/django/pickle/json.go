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

// json returns what JSON shows of a session, in canonical form (django.Canonical). It fails with
// session.ErrTooLarge if that is more than django.Limit bytes: a small pickle can repeat a value
// many times.
func (d *Dict) json() ([]byte, error) {
	w := writer{}
	w.dict(d, func(p *pair) bool { return !p.withheld() })
	if w.tooLarge() {
		return nil, session.ErrTooLarge
	}
	return w.out, nil
}

type writer struct{ out []byte }

func (w *writer) tooLarge() bool { return len(w.out) > django.Limit }

// value writes a value that can be shown. Over the limit it writes nothing.
func (w *writer) value(v Value) {
	if w.tooLarge() {
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
			w.value(nil)
			return
		}
		w.out = append(w.out, repr(v)...)
	case Str:
		w.text(string(v))
	case Bytes:
		w.text(v.base64())
	case *Seq:
		w.seq(v.items)
	case *Dict:
		w.dict(v, func(*pair) bool { return true })
	case *Object:
		w.value(v.shown)
	}
}

func (b Bytes) base64() string { return base64.StdEncoding.EncodeToString([]byte(b)) }

func (w *writer) seq(items []Value) {
	w.out = append(w.out, '[')
	for i, item := range items {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.value(item)
	}
	w.out = append(w.out, ']')
}

// dict writes those pairs of a dict that show selects.
func (w *writer) dict(d *Dict, show func(*pair) bool) {
	w.out = append(w.out, '{')
	first := true
	for i := range d.pairs {
		p := &d.pairs[i]
		if w.tooLarge() || !show(p) {
			continue
		}
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.text(p.name)
		w.out = append(w.out, ':')
		w.value(p.value)
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

// decodeRune is utf8.DecodeRuneInString, but accepts surrogates.
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

// repr returns Python's float.__repr__ of a number, or its json module's name of NaN and the
// infinities.
func repr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
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
