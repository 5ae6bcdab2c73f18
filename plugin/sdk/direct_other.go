//go:build !wasip1

package upstreamgo

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// On other platforms, the host is the SDK's current one, such as proxytest's.

func getHeaderPairs(m HeaderMap) ([]byte, internal.Status) {
	var data *byte
	var size int
	status := internal.ProxyGetHeaderMapPairs(internal.MapType(m), &data, &size)
	return unsafe.Slice(data, size), status
}

func getProperty(path string) ([]byte, internal.Status) {
	var data *byte
	var size int
	status := internal.ProxyGetProperty(unsafe.StringData(path), len(path), &data, &size)
	return unsafe.Slice(data, size), status
}

func getBuffer(b internal.BufferType, length int) ([]byte, internal.Status) {
	var data *byte
	var size int
	status := internal.ProxyGetBufferBytes(b, 0, length, &data, &size)
	return unsafe.Slice(data, size), status
}

func replaceHeader(m HeaderMap, name, value string) internal.Status {
	return internal.ProxyReplaceHeaderMapValue(internal.MapType(m), unsafe.StringData(name), len(name), unsafe.StringData(value), len(value))
}

func addHeader(m HeaderMap, name, value string) internal.Status {
	return internal.ProxyAddHeaderMapValue(internal.MapType(m), unsafe.StringData(name), len(name), unsafe.StringData(value), len(value))
}

func setProperty(path, value string) internal.Status {
	return internal.ProxySetProperty(unsafe.StringData(path), len(path), unsafe.StringData(value), len(value))
}

func removeHeader(m HeaderMap, name string) internal.Status {
	return internal.ProxyRemoveHeaderMapValue(internal.MapType(m), unsafe.StringData(name), len(name))
}
