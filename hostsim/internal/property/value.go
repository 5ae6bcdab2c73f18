// Package property implements the values of Envoy's attributes: finding one by its path, and
// the bytes that a guest gets.
package property

import (
	"encoding/binary"
	"math"
	"sort"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"cloakroom/hostsim/internal/abi"
)

// A value is a string, int64, uint64, float64, bool, []any, Mapping, Message or State. Times
// and durations are int64, in nanoseconds.
type (
	// Mapping returns a field, or the names of all fields in their order.
	Mapping interface {
		Field(name string) (any, bool)
		Names() []string
	}
	// Message is a protobuf message: encoded as a whole, and its fields by name.
	Message struct {
		Encoded string
		Fields  Fields
	}
	// Fields is a Mapping of values that are there already.
	Fields map[string]any
	// State is filter state. It has no value as a whole.
	State map[string]string
)

// StatePrefix precedes the names of filter state that guests set as properties.
const StatePrefix = "wasm."

// Field implements Mapping.
func (f Fields) Field(name string) (any, bool) {
	v, found := f[name]
	return v, found
}

// Names implements Mapping, in alphabetical order.
func (f Fields) Names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Serialize returns the bytes that proxy_get_property passes to the guest: a string
// unchanged, a number as 8 bytes, little endian, a bool as one byte, a map as pairs, a list as
// pairs without values, and a message encoded.
func Serialize(v any) (string, abi.Status) {
	switch v := v.(type) {
	case string:
		return v, abi.OK
	case int64:
		return string(binary.LittleEndian.AppendUint64(nil, uint64(v))), abi.OK
	case uint64:
		return string(binary.LittleEndian.AppendUint64(nil, v)), abi.OK
	case float64:
		return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))), abi.OK
	case bool:
		if v {
			return "\x01", abi.OK
		}
		return "\x00", abi.OK
	case Message:
		return v.Encoded, abi.OK
	case Mapping:
		return serializeMap(v)
	case []any:
		return serializeList(v)
	}
	return "", abi.SerializationFailure
}

func serializeMap(m Mapping) (string, abi.Status) {
	var ps []abi.Pair
	for _, name := range m.Names() {
		v, found := m.Field(name)
		if !found {
			continue
		}
		text, st := Serialize(v)
		if st != abi.OK {
			return "", abi.SerializationFailure
		}
		ps = append(ps, abi.Pair{Name: name, Value: text})
	}
	return string(abi.MarshalMap(ps)), abi.OK
}

func serializeList(list []any) (string, abi.Status) {
	ps := make([]abi.Pair, len(list))
	for i, v := range list {
		text, st := Serialize(v)
		if st != abi.OK {
			return "", abi.SerializationFailure
		}
		ps[i].Name = text
	}
	return string(abi.MarshalMap(ps)), abi.OK
}

// At returns the value at a path below v.
func At(v any, path []string) (value any, found bool) {
	for _, part := range path {
		var found bool
		switch at := v.(type) {
		case State:
			v, found = at[part]
		case Mapping:
			v, found = at.Field(part)
		case Message:
			v, found = at.Fields.Field(part)
		case []any:
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(at) {
				v, found = at[i], true
			}
		}
		if !found {
			return nil, false
		}
	}
	return v, true
}

// Metadata returns an envoy.config.core.v3.Metadata, whose field 1 maps namespaces to
// google.protobuf.Struct. Namespaces and fields are in alphabetical order.
func Metadata(namespaces map[string]map[string]any) (Message, error) {
	filterMetadata := Fields{}
	for namespace, content := range namespaces {
		s, err := structpb.NewStruct(content)
		if err != nil {
			return Message{}, err
		}
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
		if err != nil {
			return Message{}, err
		}
		filterMetadata[namespace] = structValue{Fields: structFields(s), encoded: encoded}
	}
	var b []byte
	for _, namespace := range filterMetadata.Names() {
		var entry []byte
		entry = protowire.AppendTag(entry, 1, protowire.BytesType)
		entry = protowire.AppendString(entry, namespace)
		entry = protowire.AppendTag(entry, 2, protowire.BytesType)
		entry = protowire.AppendBytes(entry, filterMetadata[namespace].(structValue).encoded)
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, entry)
	}
	return Message{Encoded: string(b), Fields: Fields{"filter_metadata": filterMetadata}}, nil
}

// structValue is a google.protobuf.Struct, which Envoy's attributes treat as a map.
type structValue struct {
	Fields
	encoded []byte
}

// structFields returns the fields of a struct as values.
func structFields(s *structpb.Struct) Fields {
	f := Fields{}
	for name, v := range s.GetFields() {
		f[name] = jsonValue(v)
	}
	return f
}

// jsonValue returns a value of a struct; nil stands for null.
func jsonValue(v *structpb.Value) any {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_NumberValue:
		return k.NumberValue
	case *structpb.Value_BoolValue:
		return k.BoolValue
	case *structpb.Value_StructValue:
		return structFields(k.StructValue)
	case *structpb.Value_ListValue:
		list := make([]any, len(k.ListValue.GetValues()))
		for i, e := range k.ListValue.GetValues() {
			list[i] = jsonValue(e)
		}
		return list
	}
	return nil
}
