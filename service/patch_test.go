package service

import (
	"encoding/json"
	"testing"

	"cloakroom/session/django"
)

// TestMergePatch checks that texts are kept and that the result is in canonical form. Package
// rawjson tests the cases of RFC 7396.
func TestMergePatch(t *testing.T) {
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":{"b":"c"},"x":1}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"},"x":1}`},
		{`{"n":1.50,"big":123456789012345678901234567890,"s":"\ud83d"}`, `{"m":2.50,"t":"<\ude00>"}`, `{"n":1.50,"big":123456789012345678901234567890,"s":"\ud83d","m":2.50,"t":"<\ude00>"}`},
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
