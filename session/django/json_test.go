package django

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     `{}`,
		" {\t\"a\" :\n[ 1 ,\r2 ] , \"b\":{ } } ": `{"a":[1,2],"b":{}}`,
		`{"a":[],"b":[[]],"c":""}`:               `{"a":[],"b":[[]],"c":""}`,
		`{"n":[0,-0,1.50,1E5,1e+5,1e-5,123456789012345678901234567890]}`: `{"n":[0,-0,1.50,1E5,1e+5,1e-5,123456789012345678901234567890]}`,
		`{"é":"☃😀"}`:                                      `{"\u00e9":"\u2603\ud83d\ude00"}`,
		`{"\u0041\/":"\u002F<>&'"}`:                       `{"A/":"/<>&'"}`,
		`{"":"\"\\\b\f\n\r\t\u0000\u001F` + "\x7f" + `"}`: `{"":"\"\\\b\f\n\r\t\u0000\u001f\u007f"}`,
		`{"a":"\uD83D","b":"\ude00\ud83d"}`:               `{"a":"\ud83d","b":"\ude00\ud83d"}`,
		`{"a":1,"b":2,"\u0061":3}`:                        `{"a":3,"b":2}`,
		`{"a":{"x":1,"x":{"y":1,"y":2}},"a":{"z":1}}`:     `{"a":{"z":1}}`,
	} {
		if got, err := Canonical([]byte(text)); err != nil || string(got) != want {
			t.Errorf("Canonical(%s): got %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `null`, `1`, `"a"`, `[]`, `{`, `}`, `{}}`, `{} {}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{1:1}`,
		`{"a":[1,]}`, `{"a":[,]}`, `{"a":[1 2]}`, `{"a":[1}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.1}`, `{"a":1e}`, `{"a":+1}`, `{"a":0x1}`,
		`{"a":tru}`, `{"a":True}`, `{"a":NaN}`, `{"a":-Infinity}`, `{"a":"`, `{"a":"\`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "\ufeff{}", "{}\x00", "{\"a\"\x00:1}",
		strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), `{"a":` + strings.Repeat("[", 1<<20),
	} {
		if got, err := Canonical([]byte(text)); !errors.Is(err, ErrJSON) || got != nil {
			t.Errorf("Canonical(%.60q): got %.60q, %v, want %v", text, got, err, ErrJSON)
		}
	}
	deepest := strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth)
	if _, err := Canonical([]byte(deepest)); err != nil {
		t.Errorf("at MaxDepth: got %v, want none", err)
	}
}

// FuzzCanonical compares Canonical with encoding/json: both must accept the same texts, except for
// invalid UTF-8 and depth, and return the same value.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,2.5e-3,null,true,false,"x\u00e9\n"],"b":{"a":1,"a":2}}`, `{"☃":"\ud83d"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Canonical(text)
		object := bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
		if err != nil {
			if object && json.Valid(text) && bytes.Equal(bytes.ToValidUTF8(text, nil), text) && bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) < MaxDepth {
				t.Errorf("refused: %q", text)
			}
			return
		}
		if !object || !json.Valid(text) {
			t.Fatalf("accepted: %q", text)
		}
		for _, c := range got {
			if c < ' ' || c > '~' {
				t.Fatalf("not a line of ASCII: %q", got)
			}
		}
		if again, err := Canonical(got); err != nil || !bytes.Equal(again, got) {
			t.Errorf("again: got %q, %v, want %q", again, err, got)
		}
		// encoding/json merges repeated names and hides lone surrogates.
		if before, after := decode(t, text), decode(t, got); !reflect.DeepEqual(before, after) && !bytes.Contains(text, []byte(`\u`)) {
			t.Errorf("got %v, want %v", after, before)
		}
	})
}

func decode(t *testing.T, text []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
