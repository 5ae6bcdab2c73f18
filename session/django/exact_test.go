package django

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
)

// payload returns the document in a text that a codec wrote.
func payload(t *testing.T, c *Codec, text string) string {
	t.Helper()
	raw, _, err := c.signer.Loads(text, Limit)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestWriteKeeps checks that values that JSON cannot represent are shown as null or withheld, and
// survive a write that does not change them.
func TestWriteKeeps(t *testing.T) {
	deep := nested(MaxDepth)
	for name, row := range map[string]struct {
		document, data, changed, want string
	}{
		"NaN":              {`{"a":NaN,"b":1}`, `{"a":null,"b":1}`, `{"a":null,"b":2}`, `{"a":NaN,"b":2}`},
		"infinities":       {`{"a":[Infinity,-Infinity],"b":1}`, `{"a":[null,null],"b":1}`, `{"a":[null,null]}`, `{"a":[Infinity,-Infinity]}`},
		"in strings":       {`{"NaN":"\"NaN","I":Infinity,"c":-1}`, `{"NaN":"\"NaN","I":null,"c":-1}`, `{"NaN":"Infinity","I":null}`, `{"NaN":"Infinity","I":Infinity}`},
		"removed":          {`{"a":NaN,"b":1}`, `{"a":null,"b":1}`, `{"b":1}`, `{"b":1}`},
		"beside":           {`{"a":{"x":NaN,"y":1,"z":2}}`, `{"a":{"x":null,"y":1,"z":2}}`, `{"a":{"x":null,"y":[],"n":null}}`, `{"a":{"x":NaN,"y":[],"n":null}}`},
		"beside in a list": {`{"a":[NaN],"b":[1]}`, `{"a":[null],"b":[1]}`, `{"a":[null],"b":[2]}`, `{"a":[NaN],"b":[2]}`},
		"too deep":         {`{"a":1,"d":` + deep + `}`, `{"a":1}`, `{"a":2}`, `{"a":2,"d":` + deep + `}`},
		"all too deep":     {`{"d":` + deep + `}`, `{}`, `{"a":2}`, `{"d":` + deep + `,"a":2}`},
		"white space":      {` { "d" : ` + strings.ReplaceAll(deep, "[", " [ ") + ` , "a" : [ { } , NaN ] } `, `{"a":[{},null]}`, `{"a":[{},null],"b":"é"}`, `{"d":` + deep + `,"a":[{},NaN],"b":"\u00e9"}`},
		"deep objects":     {`{"d":` + strings.Repeat(`{"a":[0,"]",{"b":`, MaxDepth) + "NaN" + strings.Repeat("},{}]}", MaxDepth) + `}`, `{}`, `{}`, `{"d":` + strings.Repeat(`{"a":[0,"]",{"b":`, MaxDepth) + "NaN" + strings.Repeat("},{}]}", MaxDepth) + `}`},
		"the last counts":  {`{"d":` + deep + `,"d":NaN,"a":1,"a":` + deep + `}`, `{"d":null}`, `{"d":null}`, `{"d":NaN,"a":` + deep + `}`},
		"very deep":        {`{"d":` + nested(200_000) + `}`, `{}`, `{}`, `{"d":` + nested(200_000) + `}`},
	} {
		c := newCodec(t, "key")
		data, origin, err := c.Read(sign(t, c, base64.RawURLEncoding.EncodeToString([]byte(row.document))))
		if err != nil || string(data) != row.data || origin == nil {
			t.Errorf("%s: got %.100s, %v, want %s", name, data, err, row.data)
			continue
		}
		text, err := c.Write([]byte(row.changed), origin, time.Unix(0, 0))
		if err != nil {
			t.Errorf("%s: got %v, want none", name, err)
			continue
		}
		if got := payload(t, c, text); got != row.want {
			t.Errorf("%s: got %.300s, want %.300s", name, got, row.want)
		}
		if text, err = c.Write([]byte(row.changed), nil, time.Unix(0, 0)); err != nil || strings.Contains(payload(t, c, text), ":NaN") {
			t.Errorf("%s, without the origin: got %v", name, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, row := range map[string]struct{ document, changed string }{
		"a list with NaN": {`{"a":[NaN,1]}`, `{"a":[null,2]}`},
		"NaN":             {`{"a":NaN}`, `{"a":1}`},
		"NaN beside":      {`{"a":{"x":Infinity}}`, `{"a":{"x":1}}`},
		"too deep":        {`{"a":` + nested(MaxDepth) + `}`, `{"a":1}`},
	} {
		c := newCodec(t, "key")
		_, origin, err := c.Read(sign(t, c, base64.RawURLEncoding.EncodeToString([]byte(row.document))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(row.changed), origin, time.Unix(0, 0)); !errors.Is(err, session.ErrUnwritable) {
			t.Errorf("%s: got %v, want %v", name, err, session.ErrUnwritable)
		}
	}
}

func TestWithheldIsRemoved(t *testing.T) {
	c := newCodec(t, "key")
	_, origin, err := c.Read(sign(t, c, base64.RawURLEncoding.EncodeToString([]byte(`{"a":`+nested(MaxDepth)+`,"b":`+nested(MaxDepth)+`}`))))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Write([]byte(`{}`), origin.Patched(`{"a":null,"c":null}`), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := payload(t, c, text), `{"b":`+nested(MaxDepth)+`}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOrdinaryHasNoOrigin checks that an ordinary document has no origin, and that reading it
// allocates no more for that.
func TestOrdinaryHasNoOrigin(t *testing.T) {
	for _, document := range []string{`{}`, `{"N":"NaN","I":["Infinity",-1]}`, `{"a":` + nested(MaxDepth-1) + `}`} {
		data, origin, err := read([]byte(document), Limit)
		if err != nil || origin != nil || string(data) != document {
			t.Errorf("got %.60s, %+v, %v", data, origin, err)
		}
	}
}
