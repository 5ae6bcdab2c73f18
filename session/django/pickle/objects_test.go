package pickle

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"cloakroom/session"
)

//go:embed testdata/objects.txt
var objectLines string

// fromObjects returns pickles of Python's and Django's types in all protocols, what JSON shows of
// them, and which keys are withheld: see testdata/objects.py.
func fromObjects(t testing.TB) (rows []struct{ protocol, pickle, want, withheld string }) {
	t.Helper()
	for line := range strings.Lines(objectLines) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		text, err := hex.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		want, withheld, _ := strings.Cut(parts[2], "} \"")
		if withheld != "" {
			want, withheld = want+"}", `"`+withheld
		}
		rows = append(rows, struct{ protocol, pickle, want, withheld string }{parts[0], string(text), want, withheld})
	}
	return rows
}

// keysOf returns the keys that are withheld.
func keysOf(origin *session.Origin) string {
	if origin == nil {
		return ""
	}
	var keys []string
	for _, w := range origin.Withheld {
		keys = append(keys, fmt.Sprintf("%q", w.Key))
	}
	return strings.Join(keys, " ")
}

func TestObjects(t *testing.T) {
	for _, row := range fromObjects(t) {
		data, origin, err := Decode(row.pickle)
		if err != nil || string(data) != row.want {
			t.Errorf("protocol %s: got %s, %v, want %s", row.protocol, data, err, row.want)
			continue
		}
		if got := keysOf(origin); got != row.withheld {
			t.Errorf("protocol %s: got %s withheld, want %s", row.protocol, got, row.withheld)
		}
		written, err := Encode(data, origin)
		if err != nil {
			t.Errorf("%s: cannot write what was read: %v", row.want, err)
			continue
		}
		if again, kept, err := Decode(written); err != nil || string(again) != row.want || keysOf(kept) != row.withheld {
			t.Errorf("written and read: got %s, %+v, %v, want %s", again, kept, err, row.want)
		}
	}
}
