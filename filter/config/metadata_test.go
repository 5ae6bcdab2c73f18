package config

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// metadataMessage gives an envoy.config.core.v3.Metadata message with one namespace.
// Its field 1 is a map, whose entries are messages of a key 1 and a value 2.
func metadataMessage(t *testing.T, namespace string, fields map[string]any) []byte {
	t.Helper()
	value := structMessage(t, fields)
	entry := append([]byte{0x0a, byte(len(namespace))}, namespace...)
	entry = append(append(entry, 0x12), varint(len(value))...)
	entry = append(entry, value...)
	return append(append([]byte{0x0a}, varint(len(entry))...), entry...)
}

func structMessage(t *testing.T, fields map[string]any) []byte {
	t.Helper()
	s, err := structpb.NewStruct(fields)
	if err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func varint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestParseMetadata(t *testing.T) {
	fields := map[string]any{
		"mode": "off", "forward_cookie": false, "n": 1.5, "none": nil,
		"identity": map[string]any{"data_keys": []any{"a", true, map[string]any{}}},
	}
	got, err := parseMetadata(metadataMessage(t, Namespace, fields))
	if err != nil || !reflect.DeepEqual(got.Fields, fields) {
		t.Errorf("parseMetadata = %v, %v; want %v", got, err, fields)
	}
	got, err = parseMetadata(metadataMessage(t, "other", fields))
	if err != nil || got.Fields != nil {
		t.Errorf("parseMetadata of another namespace = %v, %v; want nothing", got, err)
	}
}

func TestParseTakesAStruct(t *testing.T) {
	fields := map[string]any{"mode": "optional", "engine": map[string]any{"service": map[string]any{"cluster": "sessions"}}}
	c, err := Parse(string(structMessage(t, fields)), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Named(""); got.Mode != Optional || got.Service.Cluster != "sessions" {
		t.Errorf("mode %v, cluster %q; want optional, sessions", got.Mode, got.Service.Cluster)
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte{0x0a, 0x00})
	f.Add([]byte("\x0a\x0f\x0a\x09cloakroom\x12\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if m, err := parseMetadata(message); err != nil && !reflect.DeepEqual(m, Metadata{}) {
			t.Errorf("parseMetadata(%x) = %v and %v", message, m, err)
		}
	})
}

func noEnv(string) (string, bool) { return "", false }
