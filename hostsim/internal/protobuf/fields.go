// Package protobuf decodes protobuf messages without their descriptors.
package protobuf

import "google.golang.org/protobuf/encoding/protowire"

// LengthDelimited returns the last value of each length-delimited field of a protobuf
// message; valid is false if the message is malformed.
func LengthDelimited(text string) (fields map[protowire.Number][]byte, valid bool) {
	fields = map[protowire.Number][]byte{}
	for b := []byte(text); len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		b = b[n:]
		if kind == protowire.BytesType {
			value, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, false
			}
			fields[number], b = value, b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return nil, false
		}
		b = b[n:]
	}
	return fields, true
}
