package upstreamgo

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// HeaderMap names a header map, with the numbers of the proxy-wasm ABI.
type HeaderMap uint32

// The header maps of an HTTP stream, and that of a callout's answer.
const (
	RequestHeaders  HeaderMap = 0
	ResponseHeaders HeaderMap = 2
	CalloutHeaders  HeaderMap = 6
)

var errPairs = errors.New("the host's header pairs are cut short")

// Pairs appends all pairs of a header map to dst. It is proxywasm.GetHttpRequestHeaders and its like with one allocation
// for all: the strings share the memory that the host has written. A map without pairs is no error.
func Pairs(m HeaderMap, dst [][2]string) ([][2]string, error) {
	var data *byte
	var size int
	if status := internal.ProxyGetHeaderMapPairs(internal.MapType(m), &data, &size); status != internal.StatusOK {
		return dst, internal.StatusToError(status)
	}
	return appendPairs(dst, unsafe.String(data, size))
}

// appendPairs decodes the ABI's form: the number of pairs, the sizes of all names and values, then each name and value
// with a zero byte behind it; numbers are little-endian, of 32 bits.
func appendPairs(dst [][2]string, text string) ([][2]string, error) {
	if text == "" {
		return dst, nil
	}
	bytes := unsafe.Slice(unsafe.StringData(text), len(text))
	if len(bytes) < 4 {
		return dst, errPairs
	}
	n := int(binary.LittleEndian.Uint32(bytes))
	if n > (len(bytes)-4)/8 {
		return dst, errPairs
	}
	sizes, at := bytes[4:4+8*n], 4+8*n
	for ; len(sizes) > 0; sizes = sizes[8:] {
		name, value := int(binary.LittleEndian.Uint32(sizes)), int(binary.LittleEndian.Uint32(sizes[4:]))
		if name > len(bytes)-at || value > len(bytes)-at-name || name+value+2 > len(bytes)-at {
			return dst, errPairs
		}
		dst = append(dst, [2]string{text[at : at+name], text[at+name+1 : at+name+1+value]})
		at += name + value + 2
	}
	return dst, nil
}

// Property is proxywasm.GetProperty for a path whose parts are joined by zero bytes.
func Property(path string) ([]byte, error) {
	var data *byte
	var size int
	if status := internal.ProxyGetProperty(unsafe.StringData(path), len(path), &data, &size); status != internal.StatusOK {
		return nil, internal.StatusToError(status)
	}
	return unsafe.Slice(data, size), nil
}
