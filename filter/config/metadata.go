package config

import (
	"errors"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Namespace is the filter's namespace in a route's filter_metadata.
const Namespace = "cloakroom"

var errMetadata = errors.New("the route's metadata is not an envoy.config.core.v3.Metadata message")

// maxMetadataDepth is how deep structs and lists may nest.
const maxMetadataDepth = 32

// parseMetadata parses an envoy.config.core.v3.Metadata message, the form of the property
// xds.route_metadata.
func parseMetadata(message []byte) (Metadata, error) {
	tree := map[string]any{}
	err := eachField(message, func(number protowire.Number, entry []byte, _ uint64) error {
		if number != 1 { // map<string, google.protobuf.Struct> filter_metadata
			return nil
		}
		name, value, err := mapEntry(entry)
		if err == nil && (name == Namespace || name == istioNamespace || name == envoyGatewayNamespace) {
			tree[name], err = structTree(value, 0)
		}
		return err
	})
	if err != nil {
		return Metadata{}, err
	}
	return ReadMetadata(tree), nil
}

// eachField calls do for every field of a message: bytes for the
// length-delimited, a number for the others.
func eachField(message []byte, do func(number protowire.Number, bytes []byte, value uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMetadata
		}
		message = message[n:]
		var bytes []byte
		var value uint64
		switch kind {
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			value, n = protowire.ConsumeFixed64(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errMetadata
		}
		message = message[n:]
		if err := do(number, bytes, value); err != nil {
			return err
		}
	}
	return nil
}

// mapEntry reads an entry of a map with string keys and message values.
func mapEntry(entry []byte) (key string, value []byte, err error) {
	err = eachField(entry, func(number protowire.Number, bytes []byte, _ uint64) error {
		switch number {
		case 1:
			key = string(bytes)
		case 2:
			value = bytes
		}
		return nil
	})
	return key, value, err
}

// structTree reads a google.protobuf.Struct.
func structTree(message []byte, depth int) (map[string]any, error) {
	if depth > maxMetadataDepth {
		return nil, errMetadata
	}
	fields := map[string]any{}
	err := eachField(message, func(number protowire.Number, entry []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		name, value, err := mapEntry(entry)
		if err == nil {
			fields[name], err = valueTree(value, depth+1)
		}
		return err
	})
	return fields, err
}

// valueTree reads a google.protobuf.Value.
func valueTree(message []byte, depth int) (tree any, err error) {
	err = eachField(message, func(number protowire.Number, bytes []byte, value uint64) error {
		var err error
		switch number {
		case 1:
			tree = nil
		case 2:
			tree = math.Float64frombits(value)
		case 3:
			tree = string(bytes)
		case 4:
			tree = value != 0
		case 5:
			tree, err = structTree(bytes, depth)
		case 6:
			tree, err = listTree(bytes, depth)
		}
		return err
	})
	return tree, err
}

// listTree reads a google.protobuf.ListValue.
func listTree(message []byte, depth int) ([]any, error) {
	if depth > maxMetadataDepth {
		return nil, errMetadata
	}
	list := []any{}
	err := eachField(message, func(number protowire.Number, bytes []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		item, err := valueTree(bytes, depth+1)
		list = append(list, item)
		return err
	})
	return list, err
}
