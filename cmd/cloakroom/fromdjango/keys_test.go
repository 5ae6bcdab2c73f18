package fromdjango

import (
	"strings"
	"testing"
)

// TestKeys translates every kind of SECRET_KEY and SECRET_KEY_FALLBACKS.
func TestKeys(t *testing.T) {
	const lazy = "from django.utils.functional import SimpleLazyObject, lazystr\n"
	with := Options{Secrets: true}
	key := func(value string) string { return strings.Replace(signed, `"a secret' key"`, value, 1) }
	all(t, []row{
		{name: "lazy", settings: lazy + key("lazystr('lazy')"), o: with, want: []string{"env CLOAKROOM_SECRET_KEY=lazy\n"}},
		{name: "a lazy object", settings: lazy + key("SimpleLazyObject(lambda: 'lazy')"), o: with, want: []string{"env CLOAKROOM_SECRET_KEY=lazy\n"}},
		{name: "bytes", settings: key("b'bytes \\xc3\\xa9'"), o: with, want: []string{"env CLOAKROOM_SECRET_KEY=bytes é\n"}},
		{name: "white space", settings: key(`"a b\tc, d"`), o: with, want: []string{"env CLOAKROOM_SECRET_KEY=a b\tc, d\n"}},
		{name: "a line break at the end", settings: key(`"from a file\n"`), o: with, want: []string{"env CLOAKROOM_SECRET_KEY=from a file\n\n", "note SECRET_KEY ends with a line break", "CLOAKROOM_SECRET_KEY_FILE"}},
		{name: "fallbacks with commas and other signs", settings: signed + "SECRET_KEY_FALLBACKS = ('a,b', 'c;d', b'e$f')", o: with, want: []string{"env CLOAKROOM_SECRET_KEY_FALLBACKS=a,b c;d e$f\n"}},
		{name: "an empty fallback", settings: signed + "SECRET_KEY_FALLBACKS = ['', 'a']", o: with, want: []string{"env CLOAKROOM_SECRET_KEY_FALLBACKS=a\n", "note SECRET_KEY_FALLBACKS[0] is empty and left out"}},
		{name: "an empty fallback alone", settings: signed + "SECRET_KEY_FALLBACKS = ['']", not: []string{"CLOAKROOM_SECRET_KEY_FALLBACKS", "${CLOAKROOM_SECRET_KEY_FALLBACKS}"}},

		{name: "bytes that are no text", refused: true, settings: key("b'secret\\xff'"), want: []string{"SECRET_KEY: it is not text in UTF-8; Cloakroom reads keys from the environment"}, not: []string{"secret\\xff"}},
		{name: "half a character", refused: true, settings: key(`"\ud800"`), want: []string{"SECRET_KEY: it is not text"}},
		{name: "a zero character", refused: true, settings: key(`"a\0b"`), want: []string{"SECRET_KEY contains a NUL character"}},
		{name: "empty", refused: true, settings: key(`""`), want: []string{"SECRET_KEY", "must not be empty"}},
		{name: "a fallback with a space", refused: true, settings: signed + "SECRET_KEY_FALLBACKS = ['a', 'hunter 2']", want: []string{"SECRET_KEY_FALLBACKS[1] contains white space"}, not: []string{"hunter"}},
		{name: "a fallback with Unicode's space", refused: true, settings: signed + `SECRET_KEY_FALLBACKS = ['a\u00a0b']`, want: []string{"SECRET_KEY_FALLBACKS[0] contains white space"}},
		{name: "a fallback with a line break", refused: true, settings: signed + `SECRET_KEY_FALLBACKS = ['a\n']`, want: []string{"SECRET_KEY_FALLBACKS[0] contains white space"}},
		{name: "a fallback of bytes", refused: true, settings: signed + `SECRET_KEY_FALLBACKS = [b'\xff']`, want: []string{"SECRET_KEY_FALLBACKS: it is not text"}},
		{name: "one fallback, not in a list", refused: true, settings: signed + "SECRET_KEY_FALLBACKS = 'abc'", want: []string{"SECRET_KEY_FALLBACKS"}},
	})
}
