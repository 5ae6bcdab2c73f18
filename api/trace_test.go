package api

import (
	"strings"
	"testing"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestTrace holds which headers are logged, and that a batch's line returns them as they were.
func TestTrace(t *testing.T) {
	const id = "5f9c2f0e-6a9c-4b1e-9a66-0e9a8f66c6a1"
	for name, tt := range map[string]struct {
		id, parent string
		want       Trace
	}{
		"both":                      {id, parent, Trace{id, parent}},
		"neither":                   {"", "", Trace{}},
		"an ID alone":               {id, "", Trace{RequestID: id}},
		"a parent alone":            {"", parent, Trace{Parent: parent}},
		"an ID like a field":        {"parent=" + parent, "", Trace{RequestID: "parent=" + parent}},
		"an ID like JSON":           {`{x:1}`, "", Trace{RequestID: `{x:1}`}},
		"an ID at the bound":        {strings.Repeat("a", MaxRequestID), "", Trace{RequestID: strings.Repeat("a", MaxRequestID)}},
		"over it":                   {strings.Repeat("a", MaxRequestID+1), parent, Trace{Parent: parent}},
		"a space":                   {"a b", parent, Trace{Parent: parent}},
		"a newline":                 {"a\n/v1/flush {}", "", Trace{}},
		"a quote":                   {`a"b`, "", Trace{}},
		"a backslash":               {`a\b`, "", Trace{}},
		"DEL, and what is no ASCII": {"\x7f", "é", Trace{}},
		"another version":           {id, "01" + parent[2:], Trace{RequestID: id}},
		"capitals":                  {id, strings.ToUpper(parent), Trace{RequestID: id}},
		"a longer one":              {id, parent + "-00", Trace{RequestID: id}},
		"no trace":                  {id, "00-" + strings.Repeat("0", 32) + parent[35:], Trace{RequestID: id}},
		"no parent":                 {id, parent[:36] + strings.Repeat("0", 16) + "-01", Trace{RequestID: id}},
	} {
		got := NewTrace(tt.id, tt.parent)
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		line := strings.TrimSuffix(string(AppendCall(nil, Flush, got, `{"key":"id=x parent=y "}`)), "\n")
		path, back, body := ParseCall([]byte(line))
		if path != Flush || back != got || string(body) != `{"key":"id=x parent=y "}` {
			t.Errorf("%s: the line %q is %q, %q, %q", name, line, path, back, body)
		}
	}
	// What the sender did not check the receiver does.
	if _, got, body := ParseCall([]byte("/v1/flush id=a\x01b parent=x {}")); got != (Trace{}) || string(body) != "{}" {
		t.Errorf("a damaged line is %q with %q", got, body)
	}
}
