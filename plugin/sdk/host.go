//go:build wasip1

package upstreamgo

import (
	"runtime"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// host carries the SDK's host calls across the ABI.
type host struct{}

var _ internal.ProxyWasmHost = host{}

func init() {
	release := internal.RegisterMockWasmHost(host{})
	release() // unlocks the registration; the host stays
}

// returned is where the host writes the address and the size of returned data. The ABI's words have
// 32 bits, Go's pointers and ints on wasm 64, so the host never gets the addresses of the SDK's
// variables. One variable serves all calls: the host writes it last, and it is read before the
// next call.
var returned struct{ address, size uint32 }

// begin clears returned, since hosts may succeed without writing it.
func begin() (address, size *uint32) {
	returned.address, returned.size = 0, 0
	return &returned.address, &returned.size
}

// take returns the data of a call that ended with status.
func take(status internal.Status) ([]byte, internal.Status) {
	if status != internal.StatusOK {
		handedOut.drop()
		return nil, status
	}
	data, ok := handedOut.claim(uintptr(returned.address), int(returned.size))
	if !ok {
		return nil, internal.StatusInternalFailure
	}
	return data, internal.StatusOK
}

// finish copies the result into the SDK's variables. It keeps input alive until here, because the
// host may still have read it after allocations in the module that could have started a garbage
// collection.
func finish(status internal.Status, input *byte, data **byte, size *int) internal.Status {
	runtime.KeepAlive(input)
	taken, status := take(status)
	*data, *size = unsafe.SliceData(taken), len(taken)
	return status
}

func (host) ProxyLog(level internal.LogLevel, message *byte, messageSize int) internal.Status {
	return proxyLog(level, message, uint32(messageSize))
}

func (host) ProxySetProperty(path *byte, pathSize int, value *byte, valueSize int) internal.Status {
	return proxySetProperty(path, uint32(pathSize), value, uint32(valueSize))
}

func (host) ProxyGetProperty(path *byte, pathSize int, data **byte, size *int) internal.Status {
	at, n := begin()
	return finish(proxyGetProperty(path, uint32(pathSize), at, n), path, data, size)
}

func (host) ProxySendLocalResponse(statusCode uint32, details *byte, detailsSize int, body *byte, bodySize int,
	headers *byte, headersSize int, grpcStatus int32) internal.Status {
	return proxySendLocalResponse(statusCode, details, uint32(detailsSize), body, uint32(bodySize),
		headers, uint32(headersSize), grpcStatus)
}

func (host) ProxyGetSharedData(key *byte, keySize int, data **byte, size *int, cas *uint32) internal.Status {
	*cas = 0
	at, n := begin()
	return finish(proxyGetSharedData(key, uint32(keySize), at, n, cas), key, data, size)
}

func (host) ProxySetSharedData(key *byte, keySize int, value *byte, valueSize int, cas uint32) internal.Status {
	return proxySetSharedData(key, uint32(keySize), value, uint32(valueSize), cas)
}

func (host) ProxyRegisterSharedQueue(name *byte, nameSize int, id *uint32) internal.Status {
	return proxyRegisterSharedQueue(name, uint32(nameSize), id)
}

func (host) ProxyResolveSharedQueue(vmID *byte, vmIDSize int, name *byte, nameSize int, id *uint32) internal.Status {
	return proxyResolveSharedQueue(vmID, uint32(vmIDSize), name, uint32(nameSize), id)
}

func (host) ProxyDequeueSharedQueue(queueID uint32, data **byte, size *int) internal.Status {
	at, n := begin()
	return finish(proxyDequeueSharedQueue(queueID, at, n), nil, data, size)
}

func (host) ProxyEnqueueSharedQueue(queueID uint32, value *byte, valueSize int) internal.Status {
	return proxyEnqueueSharedQueue(queueID, value, uint32(valueSize))
}

func (host) ProxyGetHeaderMapValue(mapType internal.MapType, key *byte, keySize int,
	data **byte, size *int) internal.Status {
	at, n := begin()
	return finish(proxyGetHeaderMapValue(mapType, key, uint32(keySize), at, n), key, data, size)
}

func (host) ProxyAddHeaderMapValue(mapType internal.MapType, key *byte, keySize int,
	value *byte, valueSize int) internal.Status {
	return proxyAddHeaderMapValue(mapType, key, uint32(keySize), value, uint32(valueSize))
}

func (host) ProxyReplaceHeaderMapValue(mapType internal.MapType, key *byte, keySize int,
	value *byte, valueSize int) internal.Status {
	return proxyReplaceHeaderMapValue(mapType, key, uint32(keySize), value, uint32(valueSize))
}

func (host) ProxyRemoveHeaderMapValue(mapType internal.MapType, key *byte, keySize int) internal.Status {
	return proxyRemoveHeaderMapValue(mapType, key, uint32(keySize))
}

func (host) ProxyGetHeaderMapPairs(mapType internal.MapType, data **byte, size *int) internal.Status {
	at, n := begin()
	return finish(proxyGetHeaderMapPairs(mapType, at, n), nil, data, size)
}

func (host) ProxySetHeaderMapPairs(mapType internal.MapType, pairs *byte, pairsSize int) internal.Status {
	return proxySetHeaderMapPairs(mapType, pairs, uint32(pairsSize))
}

func (host) ProxyGetBufferBytes(bufferType internal.BufferType, start, maxSize int,
	data **byte, size *int) internal.Status {
	at, n := begin()
	return finish(proxyGetBufferBytes(bufferType, uint32(start), uint32(maxSize), at, n), nil, data, size)
}

func (host) ProxySetBufferBytes(bufferType internal.BufferType, start, maxSize int,
	value *byte, valueSize int) internal.Status {
	return proxySetBufferBytes(bufferType, uint32(start), uint32(maxSize), value, uint32(valueSize))
}

func (host) ProxyContinueStream(stream internal.StreamType) internal.Status {
	return proxyContinueStream(stream)
}

func (host) ProxyCloseStream(stream internal.StreamType) internal.Status {
	return proxyCloseStream(stream)
}

func (host) ProxyHttpCall(cluster *byte, clusterSize int, headers *byte, headersSize int, body *byte, bodySize int,
	trailers *byte, trailersSize int, timeoutMillis uint32, token *uint32) internal.Status {
	return proxyHTTPCall(cluster, uint32(clusterSize), headers, uint32(headersSize), body, uint32(bodySize),
		trailers, uint32(trailersSize), timeoutMillis, token)
}

func (host) ProxyCallForeignFunction(name *byte, nameSize int, argument *byte, argumentSize int,
	data **byte, size *int) internal.Status {
	at, n := begin()
	status := proxyCallForeignFunction(name, uint32(nameSize), argument, uint32(argumentSize), at, n)
	runtime.KeepAlive(name)
	return finish(status, argument, data, size)
}

func (host) ProxySetTickPeriodMilliseconds(period uint32) internal.Status {
	return proxySetTickPeriodMilliseconds(period)
}

func (host) ProxySetEffectiveContext(contextID uint32) internal.Status {
	return proxySetEffectiveContext(contextID)
}

func (host) ProxyDone() internal.Status { return proxyDone() }

func (host) ProxyDefineMetric(metricType internal.MetricType, name *byte, nameSize int, id *uint32) internal.Status {
	return proxyDefineMetric(metricType, name, uint32(nameSize), id)
}

func (host) ProxyIncrementMetric(metricID uint32, offset int64) internal.Status {
	return proxyIncrementMetric(metricID, offset)
}

func (host) ProxyRecordMetric(metricID uint32, value uint64) internal.Status {
	return proxyRecordMetric(metricID, value)
}

func (host) ProxyGetMetric(metricID uint32, value *uint64) internal.Status {
	return proxyGetMetric(metricID, value)
}
