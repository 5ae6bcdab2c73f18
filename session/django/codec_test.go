package django

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
)

// vectors are texts that Django 5.2.19 wrote, by SECRET_KEY and time.
var vectors = []struct {
	secret string
	at     int64
	data   string
	text   string
}{
	{"vector key", 1800000000, `{}`, "e30:1xocE4:TDm-hGnrMxYu5OSuEA2qB1iiP3cv1vp5RFrPUzMdVls"},
	{"vector key", 0, `{"a":1}`, "eyJhIjoxfQ:0:C_De9EnE5TeA6A3wPUphvy5JXwbNQKzyLBwvBV5izmY"},
	{"other £ key", 1800000000, `{"_auth_user_id":"1","\u00e9":"\u2603\ud83d\ude00","n":[null,true,1.5,{"x":{}}]}`,
		"eyJfYXV0aF91c2VyX2lkIjoiMSIsIlx1MDBlOSI6Ilx1MjYwM1x1ZDgzZFx1ZGUwMCIsIm4iOltudWxsLHRydWUsMS41LHsieCI6e319XX0:1xocE4:Ru6YzHWLx7ZQT-_PWjWyT4eB4XiUNU454Q0_wiw2vYQ"},
	{"vector key", 3843, `{"long":"` + strings.Repeat("x", 200) + `"}`,
		".eJyrVsrJz0tXslKqGCZAqRYA0RphKw:zz:q27xUHnoLoodkf4yT3nNbH1XUSvaJeRVHAS75pr7CmA"},
}

func newCodec(t testing.TB, secret string, fallbacks ...string) *Codec {
	t.Helper()
	c, err := NewCodec(secret, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		c := newCodec(t, v.secret)
		got, err := c.Decode(v.text)
		if err != nil || string(got) != v.data {
			t.Errorf("Decode(%s): got %s, %v, want %s", v.text, got, err, v.data)
		}
		_, at, err := c.signer.Loads(v.text, Limit)
		if err != nil || at.Unix() != v.at {
			t.Errorf("Loads(%s): got %v, %v, want %v", v.text, at.Unix(), err, v.at)
		}
		text, err := c.Encode([]byte(v.data), time.Unix(v.at, 0))
		if err != nil {
			t.Fatal(err)
		}
		// Compressors differ, so that compressed texts need not be equal.
		if compressed := strings.HasPrefix(v.text, "."); compressed != strings.HasPrefix(text, ".") || !compressed && text != v.text {
			t.Errorf("Encode(%s): got %s, want %s", v.data, text, v.text)
		}
	}
}

func TestFallbacks(t *testing.T) {
	v := vectors[0]
	if _, err := newCodec(t, "new", "older", v.secret).Decode(v.text); err != nil {
		t.Errorf("with a fallback: got %v, want none", err)
	}
	if _, err := newCodec(t, "new", "older").Decode(v.text); !errors.Is(err, ErrSignature) {
		t.Errorf("with other keys: got %v, want %v", err, ErrSignature)
	}
	text, err := newCodec(t, v.secret, "older").Encode([]byte(v.data), time.Unix(v.at, 0))
	if err != nil || text != v.text {
		t.Errorf("got %s, %v, want it signed with the first key", text, err)
	}
}

func TestWithoutKey(t *testing.T) {
	for _, keys := range [][]string{{""}, {"a", ""}} {
		if _, err := NewCodec(keys[0], keys[1:]...); !errors.Is(err, ErrNoKey) {
			t.Errorf("NewCodec(%q): got %v, want %v", keys, err, ErrNoKey)
		}
	}
	var zero Signer
	if _, _, err := zero.Unsign(vectors[0].text); !errors.Is(err, ErrNoKey) {
		t.Errorf("Unsign: got %v, want %v", err, ErrNoKey)
	}
	if _, err := zero.Sign("x", time.Now()); !errors.Is(err, ErrNoKey) {
		t.Errorf("Sign: got %v, want %v", err, ErrNoKey)
	}
	var codec *Codec
	if _, err := codec.Decode(vectors[0].text); !errors.Is(err, ErrNoKey) {
		t.Errorf("Decode: got %v, want %v", err, ErrNoKey)
	}
}

// nested returns an array with n levels of nesting.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// sign signs a payload that Encode would not write.
func sign(t testing.TB, c *Codec, payload string) string {
	t.Helper()
	text, err := c.signer.Sign(payload, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func zipped(t testing.TB, data []byte) string {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return "." + base64.RawURLEncoding.EncodeToString(out.Bytes())
}

func TestDecodeRefuses(t *testing.T) {
	c := newCodec(t, "key")
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	good := sign(t, c, b64(`{"a":1}`))
	signed := func(value string) string { return value + ":" + signature(c.signer.keys[0], value) }
	for name, row := range map[string]struct {
		text string
		want error
	}{
		"empty":              {"", ErrSignature},
		"no separator":       {"x", ErrSignature},
		"separators only":    {":::", ErrSignature},
		"signature cut":      {good[:len(good)-1], ErrSignature},
		"signature longer":   {good + "A", ErrSignature},
		"data changed":       {"x" + good[1:], ErrSignature},
		"no timestamp":       {signed(b64(`{}`)), ErrFormat},
		"empty timestamp":    {signed(b64(`{}`) + ":"), ErrFormat},
		"timestamp - alone":  {signed(b64(`{}`) + ":-"), ErrFormat},
		"timestamp too long": {signed(b64(`{}`) + ":00000000000"), ErrFormat},
		"timestamp odd":      {signed(b64(`{}`) + ":1_1"), ErrFormat},
		"not base64":         {sign(t, c, "?"), ErrFormat},
		"not zlib":           {sign(t, c, "."+b64("{}")), ErrFormat},
		"zlib cut":           {sign(t, c, zipped(t, []byte(`{"a":1}`))[:12]), ErrFormat},
		"not JSON":           {sign(t, c, b64("{")), ErrFormat},
		"not an object":      {sign(t, c, b64("[]")), ErrFormat},
		"too deep, the user": {sign(t, c, b64(`{"_auth_user_id":`+nested(MaxDepth)+`}`)), ErrFormat},
		"too deep, not JSON": {sign(t, c, b64(`{"a":`+nested(MaxDepth)[1:]+`}`)), ErrFormat},
		"too long":           {strings.Repeat("x", MaxText+1), session.ErrTooLarge},
		"zlib bomb":          {sign(t, c, zipped(t, make([]byte, 64<<20))), session.ErrTooLarge},
	} {
		got, err := c.Decode(row.text)
		if got != nil || !errors.Is(err, row.want) {
			t.Errorf("%s: got %.100q, %v, want %v", name, got, err, row.want)
		}
		if !errors.Is(row.want, session.ErrTooLarge) && !errors.Is(err, session.ErrUnreadable) {
			t.Errorf("%s: %v is no %v", name, err, session.ErrUnreadable)
		}
	}
}

// TestBombIsBounded checks that decompression of a bomb stops before it fills the memory.
func TestBombIsBounded(t *testing.T) {
	c := newCodec(t, "key")
	text := sign(t, c, zipped(t, make([]byte, 64<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Decode(text)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, session.ErrTooLarge) || got > 16*Limit {
		t.Errorf("got %v after %d bytes, want %v within %d", err, got, session.ErrTooLarge, 16*Limit)
	}
}

func TestLimit(t *testing.T) {
	c := newCodec(t, "key")
	full := []byte(`{"a":"` + strings.Repeat("x", Limit-8) + `"}`)
	text, err := c.Encode(full, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Decode(text); err != nil || len(got) != Limit {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, Limit)
	}
	uncompressed := sign(t, c, base64.RawURLEncoding.EncodeToString(full))
	if got, err := c.Decode(uncompressed); err != nil || len(got) != Limit {
		t.Errorf("uncompressed: got %d bytes, %v, want %d", len(got), err, Limit)
	}
	if _, err := c.Encode(append(full[:len(full)-2], `x"}`...), time.Unix(0, 0)); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, session.ErrTooLarge)
	}
}

func TestPythonsJSON(t *testing.T) {
	c := newCodec(t, "key")
	for payload, want := range map[string]string{
		`{"a":NaN,"b":[Infinity,-Infinity]}`: `{"a":null,"b":[null,null]}`,
		`{"a":1,"b":2,"a":{"c":1,"c":2}}`:    `{"a":{"c":2},"b":2}`,
		"{\"\xe9\":\"\xff\"}":                `{"\u00e9":"\u00ff"}`,
	} {
		got, err := c.Decode(sign(t, c, base64.RawURLEncoding.EncodeToString([]byte(payload))))
		if err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v, want %s", payload, got, err, want)
		}
	}
}

func TestBase62(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 61: "z", 62: "10", 3843: "zz", 1800000000: "1xocE4", -62: "-10"} {
		if got := encodeBase62(n); got != want {
			t.Errorf("encodeBase62(%d): got %s, want %s", n, got, want)
		}
		if got, ok := decodeBase62(want); got != n || !ok {
			t.Errorf("decodeBase62(%s): got %d, %v, want %d", want, got, ok, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := newCodec(f, "vector key", "other £ key")
	for _, v := range vectors {
		f.Add(v.text)
	}
	known := map[string]bool{}
	for _, v := range vectors {
		known[v.text] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := c.Decode(text)
		if (err == nil) != known[text] || (err == nil) != (got != nil) {
			t.Errorf("got %q, %v for a text that was signed: %v", got, err, known[text])
		}
	})
}

// FuzzSigned signs each payload, to reach the code behind the signature check.
func FuzzSigned(f *testing.F) {
	c := newCodec(f, "key")
	for _, v := range vectors {
		payload, _, _ := strings.Cut(v.text, ":")
		f.Add(payload)
	}
	for _, document := range []string{`{"a":[NaN,{"b":-Infinity}],"N":"I\"N","d":` + nested(MaxDepth) + `,"d":` + nested(MaxDepth+9) + `}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(document)))
	}
	f.Fuzz(func(t *testing.T, payload string) {
		data, origin, err := c.Read(sign(t, c, payload))
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, session.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			return
		}
		text, err := c.Write(data, origin, time.Unix(0, 0))
		if err != nil {
			t.Fatalf("cannot write what was read: %v", err)
		}
		again, kept, err := c.Read(text)
		if err != nil || !bytes.Equal(again, data) || !reflect.DeepEqual(kept, origin) {
			t.Errorf("got %q, %+v, %v, want %q, %+v", again, kept, err, data, origin)
		}
	})
}
