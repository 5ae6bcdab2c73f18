package guest

import "github.com/tetratelabs/wazero/api"

// Shape is the parameters of a host call, one letter each: see shapes.
type Shape string

// shapes are the WebAssembly parameters of each letter: i has 32 bits, I has 64. S, P, 4
// and 8 are addresses for results.
var shapes = map[rune]string{
	'n': "i", 'N': "I", // numbers
	'l': "i", 'm': "i", 'b': "i", 't': "i", // a log level, a header map, a buffer, a stream
	's': "ii", 'p': "ii", 'h': "ii", // a string, pairs, a property's path: address and size
	'S': "ii", 'P': "ii", // where to write the address and the size of a string or of pairs
	'4': "i", '8': "i", // where to write a number of 32 or 64 bits
}

// params returns the types of the parameters.
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
