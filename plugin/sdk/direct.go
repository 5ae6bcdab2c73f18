//go:build wasip1

package upstreamgo

import (
	"runtime"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// The host calls of nearly every stream go directly to the host: the SDK's path there is five
// functions long.

func getHeaderPairs(m HeaderMap) ([]byte, internal.Status) {
	at, n := begin()
	return take(proxyGetHeaderMapPairs(internal.MapType(m), at, n))
}

func getProperty(path string) ([]byte, internal.Status) {
	at, n := begin()
	first := unsafe.StringData(path)
	status := proxyGetProperty(first, uint32(len(path)), at, n)
	runtime.KeepAlive(first)
	return take(status)
}

func getBuffer(b internal.BufferType, size int) ([]byte, internal.Status) {
	at, n := begin()
	return take(proxyGetBufferBytes(b, 0, uint32(size), at, n))
}

func replaceHeader(m HeaderMap, name, value string) internal.Status {
	return proxyReplaceHeaderMapValue(internal.MapType(m), unsafe.StringData(name), uint32(len(name)), unsafe.StringData(value), uint32(len(value)))
}

func addHeader(m HeaderMap, name, value string) internal.Status {
	return proxyAddHeaderMapValue(internal.MapType(m), unsafe.StringData(name), uint32(len(name)), unsafe.StringData(value), uint32(len(value)))
}

func setProperty(path, value string) internal.Status {
	return proxySetProperty(unsafe.StringData(path), uint32(len(path)), unsafe.StringData(value), uint32(len(value)))
}

func removeHeader(m HeaderMap, name string) internal.Status {
	return proxyRemoveHeaderMapValue(internal.MapType(m), unsafe.StringData(name), uint32(len(name)))
}
