package service

import (
	"encoding/json"
	"testing"

	"cloakroom/session/django"
)

// The examples of RFC 7396, appendix A, whose targets and patches are objects,
// and what matters to sessions.
func TestMergePatch(t *testing.T) {
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":"text"}`, `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":1}}}`},
		{`{"n":1.50,"big":123456789012345678901234567890,"s":"\ud83d"}`, `{"m":2.50,"t":"<\ude00>"}`, `{"big":123456789012345678901234567890,"m":2.50,"n":1.50,"s":"\ud83d","t":"<\ude00>"}`},
	} {
		got, err := mergePatch(json.RawMessage(c.target), json.RawMessage(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s patched by %s: got %s, %v, want %s", c.target, c.patch, got, err, c.want)
		}
	}
}

func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null,"c":[1,{}]},"d":"x"}`))
	f.Fuzz(func(t *testing.T, target, patch []byte) {
		target, err1 := django.Canonical(target)
		patch, err2 := django.Canonical(patch)
		if err1 != nil || err2 != nil {
			return
		}
		once, err := mergePatch(target, patch)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := mergePatch(once, patch)
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s patched by %s: once %s, twice %s, %v", target, patch, once, twice, err)
		}
	})
}
