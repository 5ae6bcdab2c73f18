package guest

import "github.com/tetratelabs/wazero/api"

// Shape is the parameters of a host call, one letter each. A trace renders them by it:
//
//	n, N  a number of 32 or 64 bits
//	l, m, b, t  a log level; a map, buffer or stream type
//	s, p, h  a string, pairs, or a property path: address and size
//	S, P  where to write the address and the size of a string or of pairs
//	4, 8  where to write a number of 32 or 64 bits
type Shape string

// shapes are the WebAssembly parameters of each letter: i has 32 bits, I has 64.
var shapes = map[rune]string{
	'n': "i", 'N': "I", 'l': "i", 'm': "i", 'b': "i", 't': "i", 's': "ii", 'p': "ii", 'h': "ii",
	'S': "ii", 'P': "ii", '4': "i", '8': "i",
}

// params returns the WebAssembly types of the parameters.
func (s Shape) params() (params []api.ValueType) {
	for _, letter := range s {
		for _, c := range shapes[letter] {
			if c == 'I' {
				params = append(params, api.ValueTypeI64)
			} else {
				params = append(params, api.ValueTypeI32)
			}
		}
	}
	return params
}
