package abi

import (
	"encoding/binary"
	"strings"
)

// Limits of a serialized list of pairs from the guest. A list beyond them is decoded as an
// empty one (proxy-wasm-cpp-host, limits.h).
const (
	maxPairsBytes = 1 << 20
	maxPairs      = 1024
)

// Pair is a name and a value of a header map or of a property map.
type Pair struct{ Name, Value string }

// MarshalPairs returns the ABI's form of a list of pairs: the count, the sizes of each name
// and value, then the names and values, each followed by a zero byte. Numbers have 32 bits,
// little endian. For an empty list it returns nil.
func MarshalPairs(ps []Pair) []byte {
	if len(ps) == 0 {
		return nil
	}
	return MarshalMap(ps)
}

// MarshalMap is like MarshalPairs, for property values: an empty map is encoded as a count
// of zero.
func MarshalMap(ps []Pair) []byte {
	size := 4
	for _, p := range ps {
		size += 10 + len(p.Name) + len(p.Value)
	}
	b := make([]byte, 0, size)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ps)))
	for _, p := range ps {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Value)))
	}
	for _, p := range ps {
		b = append(append(b, p.Name...), 0)
		b = append(append(b, p.Value...), 0)
	}
	return b
}

// UnmarshalPairs decodes a list of pairs from the guest. It returns nil if the list is
// malformed or over the limits, as Envoy does.
func UnmarshalPairs(b []byte) []Pair {
	if len(b) < 4 || len(b) > maxPairsBytes {
		return nil
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > maxPairs || len(b) < 4+8*n {
		return nil
	}
	sizes, rest := b[4:4+8*n], b[4+8*n:]
	ps := make([]Pair, n)
	for i := range ps {
		var ok bool
		if ps[i].Name, rest, ok = cutString(rest, binary.LittleEndian.Uint32(sizes[8*i:])); !ok {
			return nil
		}
		if ps[i].Value, rest, ok = cutString(rest, binary.LittleEndian.Uint32(sizes[8*i+4:])); !ok {
			return nil
		}
	}
	if len(rest) != 0 {
		return nil
	}
	return ps
}

// cutString removes a string of n bytes and the zero byte after it from the front of b.
func cutString(b []byte, n uint32) (s string, rest []byte, ok bool) {
	if uint64(len(b)) < uint64(n)+1 || b[n] != 0 {
		return "", nil, false
	}
	return string(b[:n]), b[n+1:], true
}

// SplitPath returns the parts of a property path, which zero bytes separate. One zero byte
// at the end is ignored.
func SplitPath(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(path, "\x00"), "\x00")
}
