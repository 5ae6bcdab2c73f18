package hostsim

import (
	"bytes"
	"reflect"
	"testing"
)

func TestPairs(t *testing.T) {
	for _, c := range []struct {
		pairs []pair
		bytes string
	}{
		{nil, ""},
		{[]pair{{"a", ""}}, "\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00"},
		{[]pair{{"a", "b"}, {"", "cd"}}, "\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00a\x00b\x00\x00cd\x00"},
	} {
		if got := string(marshalPairs(c.pairs)); got != c.bytes {
			t.Errorf("marshal %v: got %q, want %q", c.pairs, got, c.bytes)
		}
		if got := unmarshalPairs([]byte(c.bytes)); !reflect.DeepEqual(got, c.pairs) {
			t.Errorf("unmarshal %q: got %v, want %v", c.bytes, got, c.pairs)
		}
	}
	for name, b := range map[string][]byte{
		"over the count": marshalPairs(make([]pair, maxPairs+1)),
		"over the size":  marshalPairs([]pair{{"a", string(make([]byte, maxPairsBytes))}}),
		"cut off":        marshalPairs([]pair{{"a", "b"}})[:13],
		"with a rest":    append(marshalPairs([]pair{{"a", "b"}}), 0),
		"a huge length":  []byte("\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00a\x00\x00"),
	} {
		if got := unmarshalPairs(b); got != nil {
			t.Errorf("%s: got %d pairs, want none", name, len(got))
		}
	}
}

func FuzzUnmarshalPairs(f *testing.F) {
	f.Add(marshalPairs([]pair{{":path", "/"}, {"x", ""}}))
	f.Add([]byte("\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ps := unmarshalPairs(b); len(ps) > 0 && !bytes.Equal(marshalPairs(ps), b) {
			t.Errorf("%q reads as %v, which is written as %q", b, ps, marshalPairs(ps))
		}
	})
}
