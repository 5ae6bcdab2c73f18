package cookies

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newSeed returns the seed of a run. CLOAKROOM_SEED runs a printed seed again.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CLOAKROOM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CLOAKROOM_SEED: %v", err)
		}
	}
	t.Logf("CLOAKROOM_SEED=%d", seed)
	return seed
}

// generator writes Cookie fields.
type generator struct {
	*rand.Rand
	name     string   // of the session cookie
	sessions []string // values of it that are sessions
}

// spaces are what some reader takes for white space, and a few characters that look like it.
var spaces = func() (all []string) {
	for c := byte(1); c <= ' '; c++ {
		if c != '\n' && c != '\r' {
			all = append(all, string(c))
		}
	}
	for _, r := range []rune{0x7f, 0x85, 0xa0, 0x1680, 0x180e, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x200b, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff} {
		all = append(all, string(r))
	}
	return append(all, "\x85", "\xa0", "\xff", "  ", " \t ")
}()

// marks are what some reader takes for the end of a name, a value or a pair, for a quote, or
// for the beginning of an escape.
var marks = []string{
	"; ", ";", ",", ", ", "=", `"`, `\`, `\"`, `'`, "[", "]", "[]", "(", ")", "{", "}", "<", ">", "&", "?", "/", "@", ":", "+", "%", "%20", "%3B", "%3D", "%00", "$", ".", "_", "-", "|", "!", "~", "`", "^", "#", "*",
	`\073`, `\054`, `\075`, `\040`, date, strings.ReplaceAll(date, "-", " "), "$Version=1; ", `$Version="1", `, "$Path=/",
}

// date is of an attribute that some readers take for a part of a cookie's value.
const date = "Wed, 01-Jan-2031 00:00:00 GMT"

// next returns the Cookie fields of a request as an Envoy's filters see them. They are
// ordinary if all their pairs are of a form that sites in good order use.
func (g *generator) next() (fields []string, ordinary bool) {
	if g.IntN(4) == 0 {
		return []string{g.ordinary()}, true
	}
	text := g.wild()
	for range g.IntN(4) {
		text = g.mutated(text)
	}
	fields = []string{text}
	for len(fields) < 4 && g.IntN(4) == 0 {
		last := fields[len(fields)-1]
		at := g.IntN(len(last) + 1)
		if semicolon := strings.IndexByte(last[at:], ';'); semicolon >= 0 && g.IntN(4) > 0 {
			at += semicolon
		}
		fields = append(fields[:len(fields)-1], last[:at], strings.TrimPrefix(last[at:], ";"))
	}
	for i := range fields {
		fields[i] = carried(fields[i])
	}
	return fields, false
}

// carried returns what is left of a field's value on its way: HTTP has no NUL, CR and LF in
// it, and white space at its ends is not of it.
func carried(text string) string {
	return strings.Trim(strings.NewReplacer("\x00", "", "\r", "", "\n", "").Replace(text), " \t")
}

func (g *generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) session() string { return g.one(g.sessions...) }

// wild writes pairs that readers may differ on.
func (g *generator) wild() string {
	var out strings.Builder
	if g.IntN(100) == 0 {
		for i := range 200 {
			fmt.Fprintf(&out, "c%d=%d; ", i, i)
		}
	}
	for range 1 + g.IntN(5) {
		out.WriteString(g.pair())
		switch g.IntN(6) {
		case 0:
			out.WriteString(g.one(marks...))
		case 1:
			out.WriteString(g.one(";", ";;", " ; ", ";\t", ",", ", ", " ", "&", ""))
		default:
			out.WriteString("; ")
		}
	}
	return out.String()
}

func (g *generator) pair() string {
	equals := "="
	switch g.IntN(12) {
	case 0:
		equals = g.one(spaces...) + "="
	case 1:
		equals = "=" + g.one(spaces...)
	case 2:
		equals = g.one("", "==", " = ", "\t=\t", ":", "=;", `="`)
	}
	pair := g.key() + equals + g.value()
	if g.IntN(5) == 0 { // within another
		pair = g.one("a", "theme", `"`, "", "a=1", `a="x"`, "a=", `a="`, "a="+date) + g.one("", g.one(marks...), g.one(spaces...)) + pair + g.one("", `"`, "]", g.one(marks...))
	}
	return pair
}

func (g *generator) key() string {
	switch g.IntN(8) {
	case 0:
		return g.one("a", "b", "theme", "csrftoken", "", "$Version", "$Path", "path", "expires", "domain", "__Host-"+g.name, "x"+g.name, g.name+"2", "$"+g.name)
	case 1, 2:
		return g.disguisedName()
	}
	return g.name
}

func (g *generator) disguisedName() string {
	at := g.IntN(len(g.name))
	switch g.IntN(9) {
	case 0:
		return strings.ToUpper(g.name)
	case 1:
		return g.one(spaces...) + g.name
	case 2:
		return g.name + g.one(spaces...)
	case 3:
		return `"` + g.name + `"`
	case 4:
		return g.name[:at] + fmt.Sprintf(g.one("%%%02x", "%%%02X", `\%03o`), g.name[at]) + g.name[at+1:]
	case 5:
		return strings.NewReplacer("_", g.one(".", " ", "[", "+"), "-", g.one("_", ".")).Replace(g.name)
	case 6:
		return g.name + g.one("[]", "[a]", "[", "]", ".x", "\x7f")
	case 7:
		return g.name[:at] + g.one(append(marks, spaces...)...) + g.name[at:]
	}
	return g.one(marks...) + g.name
}

func (g *generator) value() string {
	switch g.IntN(6) {
	case 0:
		return g.one("", "1", "dark", "a=b", `""`, `"`, `"a b"`, "deleted", "j:{}", "é", "\xe9", strings.Repeat("a", 4090+g.IntN(12)))
	case 1, 2:
		return g.disguised(g.session())
	}
	return g.session()
}

// disguised writes a value so that some readers make another of it.
func (g *generator) disguised(value string) string {
	at := g.IntN(len(value))
	escaped := func(form string) string { return value[:at] + fmt.Sprintf(form, value[at]) + value[at+1:] }
	switch g.IntN(10) {
	case 0:
		return `"` + value + `"`
	case 1:
		return `"` + escaped(`\%03o`) + `"`
	case 2:
		return `"` + escaped(`\%c`) + `"`
	case 3:
		return escaped(g.one("%%%02x", "%%%02X", `\%03o`, `\%c`))
	case 4:
		return g.one(spaces...) + value
	case 5:
		return value + g.one(spaces...)
	case 6:
		return value + g.one(marks...) + g.one("", "x", value, g.session())
	case 7:
		return g.one(marks...) + value
	case 8:
		return `"x` + g.one("; ", ";", ", ", ",") + g.name + "=" + value + g.one("", `"`, `; "`)
	}
	return value[:at] + g.one(append(marks, spaces...)...) + value[at:]
}

// mutated changes any part of a text.
func (g *generator) mutated(text string) string {
	from := g.IntN(len(text) + 1)
	to := min(len(text), from+g.IntN(8))
	switch g.IntN(6) {
	case 0:
		return text[:from] + text[to:]
	case 1:
		return text[:from] + string([]byte{byte(1 + g.IntN(255))}) + text[from:]
	case 2:
		return text[:from] + g.one(spaces...) + text[from:]
	case 3:
		return text[:from] + text[from:to] + text[from:]
	case 4:
		return text[:from] + g.name + "=" + g.session() + text[from:]
	}
	return text[:from] + g.one(marks...) + text[from:]
}

// ordinary writes pairs as sites in good order and their scripts do, with a session's among
// them or without one.
func (g *generator) ordinary() string {
	names := []string{"csrftoken", "_ga", "theme", "lang", "cart", "A", "x-y", "a.b", "utm!", "consent"}
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var pairs []string
	for _, name := range names[:g.IntN(6)] {
		pairs = append(pairs, name+"="+g.ordinaryValue())
	}
	if g.IntN(4) > 0 {
		at := g.IntN(len(pairs) + 1)
		pairs = append(pairs[:at], append([]string{g.name + "=" + g.session()}, pairs[at:]...)...)
	}
	return strings.Join(pairs, "; ")
}

func (g *generator) ordinaryValue() string {
	switch g.IntN(10) {
	case 0:
		return g.one("GA1.2.1048576.1700000000", "en-US", "/next?"+g.name+"=1", "a&"+g.name+"=1", "https://site.test/?q=1", "1:"+g.name, "")
	case 1:
		return g.one("%7B%22a%22%3A1%7D", "a%20b", "caf%C3%A9", "100%25", "a+b")
	case 2: // what RFC 6265 has no room for, and browsers send
		return g.one("hello world", `{"a":1,"b":[2,3]}`, "1,2,3", "caf\u00e9", "S\u00e3o Paulo", "\u2603", `"quoted"`, `"quoted, with \"quotes\""`)
	}
	const octets = "!#$%&'()*+-./0123456789:<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	value := make([]byte, g.IntN(40))
	for i := range value {
		value[i] = octets[g.IntN(len(octets))]
	}
	return string(value)
}
