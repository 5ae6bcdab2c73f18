package upstreamgo

import (
	"reflect"
	"testing"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// TestAppendPairs compares the decoder with the SDK's own encoder.
func TestAppendPairs(t *testing.T) {
	for _, pairs := range [][][2]string{
		{},
		{{":path", "/"}},
		{{"a", ""}, {"", ""}, {"cookie", "x=\x00y"}, {"a", "again"}},
	} {
		got, err := appendPairs(nil, string(internal.SerializeMap(pairs)))
		if err != nil || len(got) != len(pairs) || (len(pairs) > 0 && !reflect.DeepEqual(got, pairs)) {
			t.Errorf("got %q, %v; want %q", got, err, pairs)
		}
	}
}

// TestSerializePairs compares the encoder with the SDK's own.
func TestSerializePairs(t *testing.T) {
	for _, pairs := range [][][2]string{{}, {{":path", "/"}}, {{"a", ""}, {"", ""}, {"cookie", "x=\x00y"}}} {
		if got, want := serializePairs([]byte("before"), pairs), "before"+string(internal.SerializeMap(pairs)); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzAppendPairs decodes arbitrary data of a host: it must not panic, and return nothing beyond
// that data.
func FuzzAppendPairs(f *testing.F) {
	f.Add(internal.SerializeMap([][2]string{{"a", "b"}, {"cd", ""}}))
	f.Add([]byte{255, 255, 255, 255, 1, 2, 3})
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		pairs, err := appendPairs(nil, string(data))
		total := 0
		for _, pair := range pairs {
			total += len(pair[0]) + len(pair[1]) + 2
		}
		if total > len(data) {
			t.Errorf("%d bytes made of %d, %v", total, len(data), err)
		}
	})
}
