package scenarios

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// metadataBytes returns a route's metadata in the form in which Envoy passes it to a plugin,
// encoded with Envoy's own message; nil for none.
func metadataBytes(t testing.TB, namespaces map[string]map[string]any) []byte {
	if len(namespaces) == 0 {
		return nil
	}
	message := &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{}}
	for namespace, fields := range namespaces {
		value, err := structpb.NewStruct(plain(fields).(map[string]any))
		if err != nil {
			t.Fatal(err)
		}
		message.FilterMetadata[namespace] = value
	}
	b, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain converts the integers of a YAML tree to types that structpb supports.
func plain(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = plain(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = plain(value)
		}
		return out
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	}
	return tree
}
