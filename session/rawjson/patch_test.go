package rawjson

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestMergePatch runs the cases of RFC 7396, appendix A, and checks that unchanged values keep
// their text.
func TestMergePatch(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{``, `{"a":null}`, `{}`},
		{`{"n":1.50e+3,"s":"\u0041"}`, `{"\u006e":{"x":1}}`, `{"n":{"x":1},"s":"\u0041"}`},
	} {
		if got := MergePatch(c[0], c[1]); got != c[2] {
			t.Errorf("MergePatch(%s, %s) = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// FuzzMergePatch compares MergePatch with RFC 7396's pseudo-code over decoded values.
func FuzzMergePatch(f *testing.F) {
	f.Add(`{"a":{"b":[1,null]},"c":"d"}`, `{"a":{"b":null,"x":{"y":null,"z":1}},"c":{"d":{}}}`)
	f.Add(`7`, `{"":{"":null}}`)
	f.Fuzz(func(t *testing.T, target, patch string) {
		before, err := Decode(target)
		if err != nil {
			return
		}
		change, err := Decode(patch)
		if err != nil {
			return
		}
		var got any
		if err := json.Unmarshal([]byte(MergePatch(target, patch)), &got); err != nil {
			t.Fatalf("MergePatch(%s, %s) is not JSON: %v", target, patch, err)
		}
		if want := merged(before, change); !reflect.DeepEqual(got, want) {
			t.Fatalf("MergePatch(%s, %s) = %v, want %v", target, patch, got, want)
		}
	})
}

func merged(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if object, ok := target.(map[string]any); ok {
		for name, value := range object {
			out[name] = value
		}
	}
	for name, value := range changes {
		if value == nil {
			delete(out, name)
			continue
		}
		out[name] = merged(out[name], value)
	}
	return out
}
