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

// A property's value is one of string, int64, uint64, float64, bool, []any,
// Mapping and message: the kinds that Envoy's attributes have. Times and durations
// are int64, in nanoseconds.
type (
	// Mapping looks a field up, or lists all of them in a fixed order.
	Mapping interface {
		Field(name string) (any, bool)
		Names() []string
	}
	// Message is a protobuf message: bytes as a whole, fields by name.
	Message struct {
		Encoded string
		Fields  Fields
	}
	Fields map[string]any
)

func (f Fields) Field(name string) (any, bool) {
	v, found := f[name]
	return v, found
}

func (f Fields) Names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// StatePrefix precedes the names of filter state that guests set as properties.
const StatePrefix = "wasm."

// State gives one value, and cannot be given as a whole.
type State map[string]string

// Serialize gives the bytes that get_property answers: strings as they are, numbers
// as 8 bytes little endian, a bool as one byte, maps as pairs, lists as pairs
// without values, messages in protobuf's form.
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

// At follows the rest of a property path into a value.
func At(v any, path []string) (any, bool) {
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

// Metadata makes envoy.config.core.v3.Metadata: field 1 maps namespaces to
// google.protobuf.Struct. Namespaces and fields are written in the order of names.
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

func structFields(s *structpb.Struct) Fields {
	f := Fields{}
	for name, v := range s.GetFields() {
		f[name] = jsonValue(v)
	}
	return f
}

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
