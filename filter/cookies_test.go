package filter

import (
	"strings"
	"testing"
)

func TestReadCookie(t *testing.T) {
	const absent, one, ambiguous = cookieAbsent, cookieOne, cookieAmbiguous
	for _, tt := range []struct {
		fields         []string
		state          cookieState
		value          string
		odd, disguised bool
		rewritten      string // with the value, if it is one that is kept
	}{
		{nil, absent, "", false, false, ""},
		{[]string{""}, absent, "", false, false, ""},
		{[]string{"s_d"}, absent, "", false, false, "s_d"},
		{[]string{"s_d="}, one, "", false, false, ""},
		{[]string{"s_d=a"}, one, "a", false, false, "s_d=a"},
		{[]string{"x=1;s_d=a;y=2"}, one, "a", false, false, "s_d=a; x=1; y=2"},
		{[]string{"s_d=a:B-_.c; x=1"}, one, "a:B-_.c", false, false, "s_d=a:B-_.c; x=1"},
		{[]string{"s_d=a; s_d=a"}, one, "a", false, false, "s_d=a"},
		{[]string{"S_d=a; xs_d=a; s_d2=a; x=s_d=a; s_dd=b"}, absent, "", false, false, "S_d=a; xs_d=a; s_d2=a; x=s_d=a; s_dd=b"},
		{[]string{"s_d=a; s_d=b"}, ambiguous, "", false, false, ""},
		{[]string{"s_d=a; s_d="}, ambiguous, "", false, false, ""},
		{[]string{"s_d=a; s_d=b; s_d=a"}, ambiguous, "", false, false, ""},
		// Several fields, which servers join with commas or with semicolons.
		{[]string{"x=1", "s_d=a"}, one, "a", false, true, "s_d=a; x=1"},
		{[]string{"s_d=a", "x=1", ""}, one, "a", false, true, "s_d=a; x=1"},
		{[]string{"s_d=a", "s_d=a"}, one, "a", false, true, "s_d=a"},
		{[]string{"s_d=a", "s_d=b"}, ambiguous, "", false, true, ""},
		{[]string{"x=1", "y=2"}, absent, "", false, true, "x=1; y=2"},
		// White space and quotes, which not every parser removes.
		{[]string{" s_d = a "}, one, "a", false, true, "s_d=a"},
		{[]string{`s_d="a"`}, one, "a", false, true, "s_d=a"},
		{[]string{`s_d=a; s_d="a"`}, one, "a", false, true, "s_d=a"},
		{[]string{`s_d=a; s_d="b"`}, ambiguous, "", false, true, ""},
		// Escapes, which some undo.
		{[]string{`s_d="a`}, one, `"a`, true, true, ""},
		{[]string{`s_d="\141"`}, one, `\141`, true, true, ""},
		{[]string{"s_d=%61"}, one, "%61", true, true, ""},
		{[]string{"s_d=a+b"}, one, "a+b", true, true, ""},
		{[]string{"s_d=a, x=b"}, one, "a, x=b", true, true, ""},
		{[]string{"s_d=a="}, one, "a=", true, true, ""},
		{[]string{"s_d=a/b", "s_d=a/b"}, one, "a/b", true, true, ""},
		{[]string{"s_d=a<b"}, one, "a<b", true, true, ""},
		{[]string{`s_d="a?b"`}, one, "a?b", true, true, ""},
		{[]string{"s_d=a[b]"}, one, "a[b]", true, true, ""},
		{[]string{"s_d=a\u00a0"}, one, "a\u00a0", true, true, ""},
		{[]string{"s_d=" + strings.Repeat("a", 4097)}, one, strings.Repeat("a", 4097), true, true, ""},
		{[]string{"s_d=a; s_d=%61"}, ambiguous, "", false, true, ""},
		// Names that some parser makes the session cookie's.
		{[]string{"s_d=a; \u00a0s_d=b"}, one, "a", false, true, "s_d=a"},
		{[]string{"\u1680s_d\u2003=b; x=1"}, absent, "", false, true, "x=1"},
		{[]string{"s_d=a; \x85s_d=b"}, one, "a", false, true, "s_d=a"},
		{[]string{"s_d\u3000=b"}, absent, "", false, true, ""},
		{[]string{`"s_d"=b`}, absent, "", false, true, ""},
		{[]string{"%73_d=b", "s%5Fd=b", "%73%5f%64=b"}, absent, "", false, true, ""},
		{[]string{"s.d=b", "s d=b", "s[d=b"}, absent, "", false, true, ""},
		{[]string{"s_d[]=b", "s_d[x]=b", "s.d[=b", "s_d%5Bx%5D=b", "%20s_d=b", "s_d%00x=b"}, absent, "", false, true, ""},
		{[]string{"s_d]=b; s_d =b"}, one, "b", false, true, "s_d=b; s_d]=b"},
		// Pairs within what is one pair to others.
		{[]string{"x=1 s_d=b"}, absent, "", false, true, ""},
		{[]string{"x=1, s_d = b"}, absent, "", false, true, ""},
		{[]string{"x=1\u00a0s_d\t=b"}, absent, "", false, true, ""},
		{[]string{"x s_d=b"}, absent, "", false, true, ""},
		{[]string{"x=[s_d=b", "x=]s_d=b", `x="1"s_d=b`, `x=\s_d=b`, "[s_d=b"}, absent, "", false, true, ""},
		{[]string{"x=Wed, 01-Jan-2031 00:00:00 GMTs_d=b"}, absent, "", false, true, ""},
		{[]string{"x=1s_d=b; y=\"s_d\"; z=/s_d=b; w=&s_d=b; v= s_d"}, absent, "", false, false, "x=1s_d=b; y=\"s_d\"; z=/s_d=b; w=&s_d=b; v= s_d"},
	} {
		var h Headers
		for _, field := range tt.fields {
			h = append(h, [2]string{"cookie", field})
		}
		var got requestCookie
		got.read(h, "s_d")
		if got.state != tt.state || got.odd != tt.odd || got.disguised != tt.disguised || (tt.state == one && got.value != tt.value) {
			t.Errorf("read(%q) = %+v; want %d, %q, odd %v, disguised %v", tt.fields, got, tt.state, tt.value, tt.odd, tt.disguised)
		}
		value := ""
		if got.state == one && !got.odd {
			value = got.value
		}
		want := Edit{Set, "cookie", tt.rewritten}
		if tt.rewritten == "" {
			want = Edit{Op: Remove, Name: "cookie"}
		}
		if edit := rewritten(h, "s_d", value); edit != want {
			t.Errorf("rewritten(%q, %q) = %+v, want %+v", tt.fields, value, edit, want)
		}
	}
}

// TestPlainPrefix holds the look at eight bytes against one at each.
func TestPlainPrefix(t *testing.T) {
	for c := range 256 {
		plain := c >= '-' && c <= 'z' && c != ';' && (c < '[' || c > ']')
		for at := range 17 {
			value := []byte("abcdefghijklmnopq\xff ;")
			value[at] = byte(c)
			want := at
			if plain {
				want = 17
			}
			if got := plainPrefix(string(value)); got != want {
				t.Fatalf("plainPrefix(%q) = %d, want %d", value, got, want)
			}
		}
	}
}

// FuzzCookies holds, for any Cookie fields, that after a rewriting nothing is left to
// rewrite, that it leaves the one value or none, and every other cookie.
func FuzzCookies(f *testing.F) {
	f.Add("a=b; s_d=1;s_d=2; c", "s_d=3")
	f.Add(`s_d="a;b"; =; ;;`, "")
	f.Add("\u00a0s_d=1; x=1 s_d=2", "%73_d=1; s.d=2")
	f.Fuzz(func(t *testing.T, first, second string) {
		h := Headers{{"cookie", first}, {"cookie", second}}
		var c requestCookie
		c.read(h, "s_d")
		for _, value := range []string{"", "value"} {
			edit := rewritten(h, "s_d", value)
			var after requestCookie
			after.read(Headers{{"cookie", edit.Value}}, "s_d")
			if after.disguised || after.odd || after.value != value || (after.state == cookieOne) != (value != "") {
				t.Fatalf("%q is rewritten to %q, which reads as %+v", h, edit.Value, after)
			}
		}
		if c.state == cookieAbsent && !c.disguised {
			if got, want := pairsOf(rewritten(h, "s_d", "").Value), pairsOf(first+";"+second); got != want {
				t.Fatalf("without a session cookie in it %q is rewritten to %q", h, got)
			}
		}
	})
}

// pairsOf returns the pairs of a field, without empty ones.
func pairsOf(field string) string {
	var pairs []string
	for _, pair := range strings.Split(field, ";") {
		if pair = trim(pair); pair != "" {
			pairs = append(pairs, pair)
		}
	}
	return strings.Join(pairs, ";")
}

// TestIsOdd compares isOdd, which looks at eight bytes at once, with a look at each, for every
// plain byte at every place.
func TestIsOdd(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := byte('-'); c <= 'z'; c++ {
				if plainPrefix(string(c)) == 0 {
					continue
				}
				for _, others := range []string{"a", "0", ":", "z", "-", "."} {
					value := []byte(strings.Repeat(others, n))
					value[at] = c
					want := c == '/' || c >= '<' && c <= '@'
					if got := isOdd(string(value)); got != want {
						t.Fatalf("isOdd(%q) = %v, want %v", value, got, want)
					}
				}
			}
		}
	}
}
