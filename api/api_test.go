package api

import (
	"strings"
	"testing"
)

func TestBatch(t *testing.T) {
	request := AppendCall(AppendCall(nil, Lookup, Trace{}, `{"key":"a b"}`), Touch, Trace{}, `{}`)
	if want := "/v1/lookup {\"key\":\"a b\"}\n/v1/touch {}\n"; string(request) != want {
		t.Errorf("the request is %q, want %q", request, want)
	}
	path, trace, body := ParseCall([]byte(`/v1/lookup {"key":"a b"}`))
	if path != Lookup || trace != (Trace{}) || string(body) != `{"key":"a b"}` {
		t.Errorf("the call is %q with %q of %q", path, body, trace)
	}
	if Batchable("{\n}") || !Batchable("{}") {
		t.Error("a body with a newline is batchable, or one without is not")
	}

	response := string(AppendResult(AppendResult(nil, 0, 200, []byte(`{"a": 1}`)), 1, TooLarge, []byte(`{}`)))
	status, result, rest, ok := CutResult(response, 0)
	if status != "200" || result != `{"a": 1}` || !ok {
		t.Errorf("the first result is %q %q, %v", status, result, ok)
	}
	if status, result, rest, ok = CutResult(rest, 1); status != "413" || result != "{}" || rest != "" || !ok {
		t.Errorf("the second result is %q %q with %q behind it, %v", status, result, rest, ok)
	}
	for _, damaged := range []string{"", "0 200 {}", "1 200 {}\n", "0 200\n", "0\n", " 200 {}\n", "00 200 {}\n", "{}\n"} {
		if _, _, _, ok := CutResult(damaged, 0); ok {
			t.Errorf("%q counts as the first result", damaged)
		}
	}
}

// TestPaths holds that the service's calls, and no others, have paths of this version.
func TestPaths(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range append(Calls(), Batch, Feed) {
		if seen[path] || !strings.HasPrefix(path, "/v1/") {
			t.Errorf("%s is there twice, or of another version", path)
		}
		seen[path] = true
	}
}
