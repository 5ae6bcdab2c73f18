package abi

import (
	"bytes"
	"reflect"
	"testing"
)

func TestPairs(t *testing.T) {
	for _, c := range []struct {
		pairs []Pair
		bytes string
	}{
		{nil, ""},
		{[]Pair{{"a", ""}}, "\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00"},
		{[]Pair{{"a", "b"}, {"", "cd"}}, "\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00a\x00b\x00\x00cd\x00"},
	} {
		if got := string(MarshalPairs(c.pairs)); got != c.bytes {
			t.Errorf("marshal %v: got %q, want %q", c.pairs, got, c.bytes)
		}
		if got := UnmarshalPairs([]byte(c.bytes)); !reflect.DeepEqual(got, c.pairs) {
			t.Errorf("unmarshal %q: got %v, want %v", c.bytes, got, c.pairs)
		}
	}
	for name, b := range map[string][]byte{
		"over the count": MarshalPairs(make([]Pair, maxPairs+1)),
		"over the size":  MarshalPairs([]Pair{{"a", string(make([]byte, maxPairsBytes))}}),
		"cut off":        MarshalPairs([]Pair{{"a", "b"}})[:13],
		"with a rest":    append(MarshalPairs([]Pair{{"a", "b"}}), 0),
		"a huge length":  []byte("\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00a\x00\x00"),
	} {
		if got := UnmarshalPairs(b); got != nil {
			t.Errorf("%s: got %d pairs, want none", name, len(got))
		}
	}
}

func FuzzUnmarshalPairs(f *testing.F) {
	f.Add(MarshalPairs([]Pair{{":path", "/"}, {"x", ""}}))
	f.Add([]byte("\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ps := UnmarshalPairs(b); len(ps) > 0 && !bytes.Equal(MarshalPairs(ps), b) {
			t.Errorf("%q reads as %v, which is written as %q", b, ps, MarshalPairs(ps))
		}
	})
}
