package django_test

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

// verdict compares the results of both sides for a text: Django returns an empty session for one
// that it rejects. Sessions here are never empty otherwise.
func verdict(t *testing.T, d *driver, what, text, secret string, fallbacks []string) (accepted bool) {
	t.Helper()
	var theirs string
	d.call(t, "decode", args{"text": text, "secret": secret, "fallbacks": fallbacks}, &theirs)
	ours, err := codec(t, secret, fallbacks...).Decode(text)
	switch {
	case err == nil && string(ours) == theirs:
		return true
	case err != nil && notFound(err) && theirs == "{}":
		return false
	}
	t.Errorf("%s: Django makes %.200s of it, we %.200s, error %v; the text is %.500q", what, theirs, ours, err, text)
	return err == nil
}

// mutations change a text, each in its own way.
var mutations = map[string]func(r *rand.Rand, text string) string{
	"bit": func(r *rand.Rand, text string) string {
		b := []byte(text)
		b[r.IntN(len(b))] ^= 1 << r.IntN(6)
		return string(b)
	},
	"cut":        func(r *rand.Rand, text string) string { return text[:r.IntN(len(text))] },
	"head cut":   func(r *rand.Rand, text string) string { return text[1+r.IntN(len(text)-1):] },
	"inserted":   func(r *rand.Rand, text string) string { i := r.IntN(len(text)); return text[:i] + "A" + text[i:] },
	"space":      func(_ *rand.Rand, text string) string { return text + " " },
	"line":       func(_ *rand.Rand, text string) string { return text + "\n" },
	"padding":    func(_ *rand.Rand, text string) string { return text + "=" },
	"dot":        func(_ *rand.Rand, text string) string { return "." + text },
	"no sign":    func(_ *rand.Rand, text string) string { return text[:strings.LastIndex(text, ":")] },
	"empty sign": func(_ *rand.Rand, text string) string { return text[:strings.LastIndex(text, ":")+1] },
	"time": func(_ *rand.Rand, text string) string {
		parts := strings.Split(text, ":")
		return parts[0] + ":1zzzzz:" + parts[2]
	},
	"non-ASCII": func(_ *rand.Rand, text string) string { return text + "é" },
	"NUL":       func(_ *rand.Rand, text string) string { return text + "\x00" },
	"empty":     func(*rand.Rand, string) string { return "" },
}

func TestTampered(t *testing.T) {
	d, r := start(t, usual, sqlite), newRand(t)
	g := &generator{Rand: r}
	for range 40 {
		var text string
		d.call(t, "encode", args{"text": object(r, g.size()>>4)}, &text)
		if !verdict(t, d, "untouched", text, secret, nil) {
			t.Errorf("a text that was not touched is refused")
		}
		for name, mutate := range mutations {
			if verdict(t, d, name, mutate(r, text), secret, nil) {
				t.Errorf("%s: a text that was tampered with is accepted", name)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	d := start(t, usual, sqlite)
	for _, c := range []struct {
		writer, reader string
		fallbacks      []string
		want           bool
	}{
		{"a", "a", nil, true},
		{"a", "b", nil, false},
		{"a", "b", []string{"c", "a"}, true},
		{"a", "b", []string{"c", "d"}, false},
		{"a", "a ", nil, false},
		{secret, secret, nil, true},
		{strings.Repeat("long", 100), strings.Repeat("long", 100), nil, true},
	} {
		var theirs string
		d.call(t, "encode", args{"text": `{"a":1}`, "secret": c.writer}, &theirs)
		ours, err := codec(t, c.writer).Encode([]byte(`{"a":1}`), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{theirs, ours} {
			if got := verdict(t, d, "keys", text, c.reader, c.fallbacks); got != c.want {
				t.Errorf("written with %.10q, read with %.10q and %q: got %v, want %v", c.writer, c.reader, c.fallbacks, got, c.want)
			}
		}
	}
}

// TestSignedNonsense compares both sides for texts with a valid signature and invalid content.
func TestSignedNonsense(t *testing.T) {
	d := start(t, usual, sqlite)
	b64 := base64.RawURLEncoding.EncodeToString
	for _, payload := range []string{
		"", ".", "!", "A", ".A", b64([]byte("{")), "." + b64([]byte("no zlib")), b64([]byte(`{"a":01}`)), b64([]byte(`{"a":1}x`)),
		b64([]byte(`{"a":"` + "\n" + `"}`)), b64([]byte(`{'a':1}`)), b64([]byte(`{"a":1,}`)), b64([]byte("\xef\xbb\xbf{}")), b64([]byte(`{"a":tru}`)),
		b64([]byte(`{"a":"\x"}`)), b64([]byte(`{"a":"\u12g4"}`)), b64([]byte(`{"a":.5}`)), b64([]byte(`{"a":1.}`)), b64([]byte(`{"a":+1}`)), b64([]byte(`{"a" 1}`)),
		"." + b64([]byte("x\x9c\x03\x00\x00\x00\x00\x02")),
	} {
		var text string
		d.call(t, "sign", args{"payload": payload}, &text)
		if verdict(t, d, "signed nonsense", text, secret, nil) {
			t.Errorf("%q: accepted", payload)
		}
	}
	for _, payload := range []string{`{"é":"` + "\xe9\xff" + `"}`, ` {"a" : [ 1 , 2 ] } `, `{"a":1,"b":2,"a":3}`, `{"a":"\/"}`} {
		var text string
		d.call(t, "sign", args{"payload": b64([]byte(payload))}, &text)
		if !verdict(t, d, "signed", text, secret, nil) {
			t.Errorf("%q: refused", payload)
		}
	}
}

// TestTamperedRow checks that a tampered row is no session to either side; Django keeps its key
// and returns an empty session.
func TestTamperedRow(t *testing.T) { each(t, databases, testTamperedRow) }

func testTamperedRow(t *testing.T, d *driver) {
	s := d.open(t)
	var v stored
	d.call(t, "create", args{"text": `{"a":1}`}, &v)
	d.call(t, "raw", args{"key": v.Key, "text": "tampered"}, nil)
	if _, err := s.Load(t.Context(), v.Key); !errors.Is(err, session.ErrUnreadable) || !errors.Is(err, django.ErrSignature) {
		t.Errorf("got %v, want %v", err, django.ErrSignature)
	}
	if theirs, ok := d.read(t, v.Key); !ok || theirs.Text != "{}" {
		t.Errorf("Django reads %s, %v, want an empty session", theirs.Text, ok)
	}
}
