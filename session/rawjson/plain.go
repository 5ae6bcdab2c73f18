package rawjson

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// plain returns the position of the first byte, from at on, that ends a string or is not printable
// ASCII that needs no escape. It tests eight bytes at once.
func plain(text string, at int) int {
	for bytes := unsafe.Slice(unsafe.StringData(text), len(text)); at+8 <= len(bytes); at += 8 {
		if special := specials(binary.LittleEndian.Uint64(bytes[at:])); special != 0 {
			return at + bits.TrailingZeros64(special)/8
		}
	}
	for at < len(text) && text[at] >= ' ' && text[at] < 0x7f && text[at] != '"' && text[at] != '\\' {
		at++
	}
	return at
}

// specials sets the highest bit of the first byte of word that plain looks for. The bits of later
// bytes may be wrong: differences borrow from them.
func specials(word uint64) uint64 {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^(each*'"'), word^(each*'\\')
	return (word | (word + each) | (word - each*' ') | (quote - each) | (backslash - each)) & high
}
