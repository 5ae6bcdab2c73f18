package upstreamgo

import (
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// HeaderMap is a header map, with the numbers of the proxy-wasm ABI.
type HeaderMap uint32

// The header maps of an HTTP stream, and that of a callout's response.
const (
	RequestHeaders   HeaderMap = 0
	RequestTrailers  HeaderMap = 1
	ResponseHeaders  HeaderMap = 2
	ResponseTrailers HeaderMap = 3
	CalloutHeaders   HeaderMap = 6
)

var errPairs = errors.New("the host's header pairs are cut short")

// Pairs appends all pairs of a header map to dst. It is proxywasm.GetHttpRequestHeaders and the
// like without an allocation for each string: the strings share the memory that the host wrote,
// which is memory, so that they are valid until it is used again; with a nil memory, they are
// always valid. A map without pairs is no error.
func Pairs(m HeaderMap, dst [][2]string, memory *[]byte) ([][2]string, error) {
	handedOut.reuseBuffer(memory)
	data, status := getHeaderPairs(m)
	if status != internal.StatusOK {
		return dst, internal.StatusToError(status)
	}
	return appendPairs(dst, unsafe.String(unsafe.SliceData(data), len(data)))
}

// appendPairs decodes the ABI's encoding: the number of pairs, the sizes of all names and values,
// then each name and value with a zero byte after it; numbers are little-endian, of 32 bits.
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
	dst = slices.Grow(dst, n)
	for ; len(sizes) > 0; sizes = sizes[8:] {
		name, value := int(binary.LittleEndian.Uint32(sizes)), int(binary.LittleEndian.Uint32(sizes[4:]))
		if name > len(bytes)-at || value > len(bytes)-at-name || name+value+2 > len(bytes)-at {
			return dst, errPairs
		}
		dst = dst[:len(dst)+1]
		pair := &dst[len(dst)-1] // in place: copying a pair would call out of the wasm
		pair[0], pair[1] = text[at:at+name], text[at+name+1:at+name+1+value]
		at += name + value + 2
	}
	return dst, nil
}

// serializePairs appends the ABI's encoding of pairs to dst.
func serializePairs(dst []byte, pairs [][2]string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(pairs)))
	for i := range pairs {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(pairs[i][0])))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(pairs[i][1])))
	}
	for i := range pairs {
		dst = append(append(dst, pairs[i][0]...), 0)
		dst = append(append(dst, pairs[i][1]...), 0)
	}
	return dst
}

// ReplaceHeader sets a field of a header map to a single value, like
// proxywasm.ReplaceHttpRequestHeader.
func ReplaceHeader(m HeaderMap, name, value string) error {
	return asError(replaceHeader(m, name, value))
}

// AddHeader adds a field to a header map, like proxywasm.AddHttpRequestHeader.
func AddHeader(m HeaderMap, name, value string) error {
	return asError(addHeader(m, name, value))
}

// RemoveHeader removes all fields of a name from a header map, like
// proxywasm.RemoveHttpRequestHeader.
func RemoveHeader(m HeaderMap, name string) error {
	return asError(removeHeader(m, name))
}

func asError(status internal.Status) error {
	if status == internal.StatusOK {
		return nil
	}
	return internal.StatusToError(status)
}

// SendLocalResponse is proxywasm.SendHttpResponse with details, which Envoy logs as
// %RESPONSE_CODE_DETAILS%.
func SendLocalResponse(status uint32, details string, headers [][2]string, body string, grpcStatus int32) error {
	pairs := serializePairs(nil, headers)
	return asError(internal.ProxySendLocalResponse(status, unsafe.StringData(details), len(details), unsafe.StringData(body), len(body),
		unsafe.SliceData(pairs), len(pairs), grpcStatus))
}

// CalloutBody returns the whole body of a callout's response, like
// proxywasm.GetHttpCallResponseBody. If memory is not nil, the result is valid until memory is
// used again.
func CalloutBody(size int, memory *[]byte) ([]byte, error) {
	handedOut.reuseBuffer(memory)
	data, status := getBuffer(internal.BufferTypeHttpCallResponseBody, size)
	return data, asError(status)
}

// SetProperty is proxywasm.SetProperty for a path whose parts are joined by zero bytes. In Envoy it
// sets the stream's filter state of the name "wasm." and the path.
func SetProperty(path, value string) error {
	return asError(setProperty(path, value))
}

// Property is proxywasm.GetProperty for a path whose parts are joined by zero bytes. If memory is
// not nil, the result is valid until memory is used again.
func Property(path string, memory *[]byte) ([]byte, error) {
	handedOut.reuseBuffer(memory)
	data, status := getProperty(path)
	return data, asError(status)
}
