package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestObject(t *testing.T) {
	tests := []struct {
		text string
		want []Member
		err  error
	}{
		{`{}`, nil, nil},
		{" {\n\"a\" : 1.50e+3 , \"b\":[1, {\"c\":null}] }\t", []Member{{"a", "1.50e+3"}, {"b", `[1, {"c":null}]`}}, nil},
		{`{"\u0061\n":"x"}`, []Member{{"a\n", `"x"`}}, nil},
		{`{"😀":true}`, []Member{{"😀", "true"}}, nil},
		{`{"a":1,"\u0061":2}`, nil, ErrDuplicate},
		{``, nil, ErrSyntax},
		{`null`, nil, ErrSyntax},
		{`{"a":1`, nil, ErrSyntax},
		{`{"a":1}x`, nil, ErrSyntax},
		{`{"a":01}`, nil, ErrSyntax},
		{`{"a":1,}`, nil, ErrSyntax},
		{`{"a":"` + "\x01" + `"}`, nil, ErrSyntax},
		{`{"a":"\ud8"}`, nil, ErrSyntax},
		{`<html>`, nil, ErrSyntax},
		{strings.Repeat(`{"a":`, MaxDepth+1), nil, ErrDepth},
	}
	for _, tt := range tests {
		got, err := Object(tt.text, nil)
		if !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
			t.Errorf("Object(%.40q): error %v, want %v", tt.text, err, tt.err)
		}
		if err == nil && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Object(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

// TestObjectOfManyMembers checks that a repeated name is found at any two positions, with both
// ways of comparing.
func TestObjectOfManyMembers(t *testing.T) {
	for n := 2; n < 3*few; n++ {
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf(`"k%d":%d`, i, i)
		}
		object := func() string { return "{" + strings.Join(members, ",") + "}" }
		got, err := Object(object(), nil)
		if err != nil || len(got) != n || got[n-1] != (Member{fmt.Sprintf("k%d", n-1), fmt.Sprint(n - 1)}) {
			t.Fatalf("Object of %d members = %v, %v", n, got, err)
		}
		for first := range n - 1 {
			members[n-1] = fmt.Sprintf(`"k%d":1`, first)
			if _, err := Object(object(), nil); !errors.Is(err, ErrDuplicate) {
				t.Fatalf("members %d and %d of one name: %v, want ErrDuplicate", first, n-1, err)
			}
		}
	}
}

// TestPlain tries each byte at each position of a long text.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := []byte("abcdefghijklmnopqrst")
			text[at] = byte(c)
			want := at
			if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
				want = len(text)
			}
			if got := plain(string(text), 0); got != want {
				t.Fatalf("byte %#x at %d: plain = %d, want %d", c, at, got, want)
			}
		}
	}
}

func TestAppendASCII(t *testing.T) {
	got := string(AppendASCII(nil, "{ \"é\" : \"a b\\\" 😀\x7f\",\n \"n\": 1.0 }"))
	want := `{"\u00e9":"a b\" \ud83d\ude00\u007f","n":1.0}`
	if got != want {
		t.Errorf("AppendASCII = %s, want %s", got, want)
	}
}

// FuzzAgainstEncodingJSON compares the scanner with the standard library: both must accept the
// same texts (except for repeated names, depth and broken UTF-8, which only encoding/json
// accepts), with the same meaning, and the ASCII form must mean the same again.
func FuzzAgainstEncodingJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e9,"\ud83d\ude00é",null,true]}`, `{"":{}}`, `[]`, `"\ud800x"`, `{"a":tru}`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			if _, err := Decode(string(text)); !errors.Is(err, ErrSyntax) {
				t.Fatalf("Decode(%q): %v, want %v", text, err, ErrSyntax)
			}
			return
		}
		var want any
		wantErr := json.Unmarshal(text, &want)
		got, err := Decode(string(text))
		if errors.Is(err, ErrDuplicate) || errors.Is(err, ErrDepth) {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode(%q): %v; encoding/json: %v", text, err, wantErr)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("Decode(%q) = %#v, encoding/json returns %#v", text, got, want)
		}
		line := AppendASCII(nil, string(text))
		for _, c := range line {
			if c < ' ' || c > '~' {
				t.Fatalf("AppendASCII(%q) = %q is not one line of ASCII", text, line)
			}
		}
		var again any
		if err := json.Unmarshal(line, &again); err != nil || !reflect.DeepEqual(again, want) {
			t.Fatalf("AppendASCII(%q) = %q means %#v (%v), want %#v", text, line, again, err, want)
		}
	})
}
