//go:build wasip1

package upstreamgo

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"

// The host functions of the ABI. Pointers are passed as 32-bit addresses. None is marked noescape:
// the host may call back into the module during a call, and the stack may grow and move then, so
// memory that is passed must not be on it.

//go:wasmimport env proxy_log
func proxyLog(level internal.LogLevel, message *byte, messageSize uint32) internal.Status

//go:wasmimport env proxy_set_property
func proxySetProperty(path *byte, pathSize uint32, value *byte, valueSize uint32) internal.Status

//go:wasmimport env proxy_get_property
func proxyGetProperty(path *byte, pathSize uint32, resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_send_local_response
func proxySendLocalResponse(statusCode uint32, details *byte, detailsSize uint32, body *byte, bodySize uint32,
	headers *byte, headersSize uint32, grpcStatus int32) internal.Status

//go:wasmimport env proxy_get_shared_data
func proxyGetSharedData(key *byte, keySize uint32, resultAddress, resultSize, resultCAS *uint32) internal.Status

//go:wasmimport env proxy_set_shared_data
func proxySetSharedData(key *byte, keySize uint32, value *byte, valueSize uint32, cas uint32) internal.Status

//go:wasmimport env proxy_register_shared_queue
func proxyRegisterSharedQueue(name *byte, nameSize uint32, resultID *uint32) internal.Status

//go:wasmimport env proxy_resolve_shared_queue
func proxyResolveSharedQueue(vmID *byte, vmIDSize uint32, name *byte, nameSize uint32, resultID *uint32) internal.Status

//go:wasmimport env proxy_dequeue_shared_queue
func proxyDequeueSharedQueue(queueID uint32, resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_enqueue_shared_queue
func proxyEnqueueSharedQueue(queueID uint32, value *byte, valueSize uint32) internal.Status

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeaderMapValue(mapType internal.MapType, key *byte, keySize uint32,
	resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(mapType internal.MapType, key *byte, keySize uint32,
	value *byte, valueSize uint32) internal.Status

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceHeaderMapValue(mapType internal.MapType, key *byte, keySize uint32,
	value *byte, valueSize uint32) internal.Status

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveHeaderMapValue(mapType internal.MapType, key *byte, keySize uint32) internal.Status

//go:wasmimport env proxy_get_header_map_pairs
func proxyGetHeaderMapPairs(mapType internal.MapType, resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_set_header_map_pairs
func proxySetHeaderMapPairs(mapType internal.MapType, pairs *byte, pairsSize uint32) internal.Status

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(bufferType internal.BufferType, start, maxSize uint32,
	resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_set_buffer_bytes
func proxySetBufferBytes(bufferType internal.BufferType, start, size uint32,
	value *byte, valueSize uint32) internal.Status

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(stream internal.StreamType) internal.Status

//go:wasmimport env proxy_close_stream
func proxyCloseStream(stream internal.StreamType) internal.Status

//go:wasmimport env proxy_http_call
func proxyHTTPCall(cluster *byte, clusterSize uint32, headers *byte, headersSize uint32, body *byte, bodySize uint32,
	trailers *byte, trailersSize uint32, timeoutMillis uint32, resultToken *uint32) internal.Status

//go:wasmimport env proxy_call_foreign_function
func proxyCallForeignFunction(name *byte, nameSize uint32, argument *byte, argumentSize uint32,
	resultAddress, resultSize *uint32) internal.Status

//go:wasmimport env proxy_set_tick_period_milliseconds
func proxySetTickPeriodMilliseconds(period uint32) internal.Status

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(contextID uint32) internal.Status

//go:wasmimport env proxy_done
func proxyDone() internal.Status

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(metricType internal.MetricType, name *byte, nameSize uint32, resultID *uint32) internal.Status

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(metricID uint32, offset int64) internal.Status

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(metricID uint32, value uint64) internal.Status

//go:wasmimport env proxy_get_metric
func proxyGetMetric(metricID uint32, resultValue *uint64) internal.Status
