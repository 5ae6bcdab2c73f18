package service_test

import (
	"strings"
	"testing"

	"cloakroom/service"
)

// TestBatch checks that each call of a batch gets the response it would get alone, under its
// number.
func TestBatch(t *testing.T) {
	f := start(t)
	f.create(k, `{"a":1}`)
	lines := []string{
		`/v1/lookup {"key":"` + k + `"}`,
		`/v1/lookup {"key":"` + unknown + `"}`,
		`/v1/lookup {"kex":1}`,
		`/v1/feed {"after":"","hold":0}`,
		`/v1/batch /v1/lookup {}`,
		`/v1/touch {"key":"` + k + `","age":3600}`,
		`nonsense`,
	}
	want := `0 200 {"state":"live","expires":1800003600,"data":{"a":1}}
1 200 {"state":"none"}
2 400 {"error":"bad request: body: json: unknown field \"kex\""}
3 404 {"error":"no such path"}
4 404 {"error":"no such path"}
5 200 {"state":"live","expires":1800003600}
6 404 {"error":"no such path"}`
	for range 20 { // the order in which calls run must not matter
		if status, got := f.do("POST", "/v1/batch", strings.Join(lines, "\n")+"\n"); status != 200 || strings.TrimSpace(got) != want {
			t.Fatalf("got %d %s, want 200 %s", status, got, want)
		}
	}
}

// TestBatchBounds checks the bounds of a batch: how many calls it holds, and how large its
// response is. A call whose response does not fit must be sent alone.
func TestBatchBounds(t *testing.T) {
	f := start(t)
	lookup := `/v1/lookup {"key":"` + k + `"}` + "\n"
	if status, got := f.do("POST", "/v1/batch", strings.Repeat(lookup, 65)); status != 400 {
		t.Errorf("65 calls: got %d %s, want 400", status, got)
	}
	f.create(k, `{"a":"`+strings.Repeat("x", service.DefaultMaxData-100)+`"}`)
	status, got := f.do("POST", "/v1/batch", strings.Repeat(lookup, 12))
	answers := strings.Split(strings.TrimSpace(got), "\n")
	if status != 200 || len(answers) != 12 {
		t.Fatalf("got %d with %d results, want 200 with 12", status, len(answers))
	}
	if !strings.HasPrefix(answers[0], `0 200 {"state":"live"`) || !strings.HasPrefix(answers[11], `11 413 {`) {
		t.Errorf("the first result is %.30s, the last %.30s; want a live session and 413", answers[0], answers[11])
	}
}
