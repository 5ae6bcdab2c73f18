package filter

import "strings"

// cookieState is what a request's Cookie fields hold under one name.
type cookieState uint8

const (
	cookieAbsent cookieState = iota
	cookieOne
	cookieAmbiguous // several, and not all the same
)

// findCookie gives the value of the cookie of a name, over all Cookie fields
// (HTTP/2 may send one for each pair, RFC 9113 section 8.2.3). It reads pairs
// as django.http.cookie.parse_cookie does: split at semicolons, then at the
// first equals sign, white space around either dropped, quotes removed.
func findCookie(h Headers, name string) (value string, state cookieState) {
	for i := range h {
		field := &h[i]
		if field[0] != "cookie" {
			continue
		}
		for rest := field[1]; rest != ""; {
			var pair string
			pair, rest, _ = cut(rest, ';')
			got, ok := pairValue(pair, name)
			switch {
			case !ok:
			case state == cookieAbsent:
				value, state = got, cookieOne
			case got != value:
				return "", cookieAmbiguous
			}
		}
	}
	return value, state
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

// pairValue gives the value of one name=value pair if it has the name.
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

// withoutCookie gives the edits that take the cookie of a name out of a
// request and leave its other cookies as they are.
func withoutCookie(h Headers, name string) []Edit {
	var kept []string
	found := false
	for i := range h {
		field := &h[i]
		if field[0] != "cookie" {
			continue
		}
		for rest := field[1]; rest != ""; {
			var pair string
			pair, rest, _ = cut(rest, ';')
			pair = trim(pair)
			if _, ok := pairValue(pair, name); ok {
				found = true
			} else if pair != "" {
				kept = append(kept, pair)
			}
		}
	}
	switch {
	case !found:
		return nil
	case len(kept) == 0:
		return []Edit{{Op: Remove, Name: "cookie"}}
	}
	return []Edit{{Op: Set, Name: "cookie", Value: strings.Join(kept, "; ")}}
}

// replacedCookie gives the edit that gives the cookie of a name another value, in a
// request that has it.
func replacedCookie(h Headers, name, value string) Edit {
	pairs := name + "=" + value
	for _, e := range withoutCookie(h, name) {
		if e.Op == Set {
			pairs += "; " + e.Value
		}
	}
	return Edit{Set, "cookie", pairs}
}

// setCookie gives the value to which a response sets the cookie of a name
// itself.
func setCookie(h Headers, name string) (value string, ok bool) {
	for i := range h {
		field := &h[i]
		if field[0] != "set-cookie" {
			continue
		}
		pair, _, _ := cut(field[1], ';')
		if value, ok = pairValue(pair, name); ok {
			return value, true
		}
	}
	return "", false
}
