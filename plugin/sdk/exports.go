//go:build wasip1

package upstreamgo

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// The callbacks of the ABI that the SDK supports. Each calls the current stream, or the SDK;
// numbers have 32 bits.

// Hosts know the ABI's version by the name of this export; the SDK is written for 0.2.0, which 0.2.1 only adds to.
//
//go:wasmexport proxy_abi_version_0_2_0
func proxyABIVersion() {}

// The host calls this while it serves host calls; most host calls are forbidden here.
//
//go:wasmexport proxy_on_memory_allocate
func proxyOnMemoryAllocate(size uint32) *byte { return handedOut.allocate(int(size)) }

//go:wasmexport proxy_on_context_create
func proxyOnContextCreate(contextID, pluginContextID uint32) {
	if createStream(contextID, pluginContextID) {
		return
	}
	contexts.create(contextID, pluginContextID)
	internal.ProxyOnContextCreate(contextID, pluginContextID)
}

//go:wasmexport proxy_on_vm_start
func proxyOnVMStart(pluginContextID, configurationSize uint32) bool {
	return bool(internal.ProxyOnVMStart(pluginContextID, int(configurationSize)))
}

//go:wasmexport proxy_on_configure
func proxyOnConfigure(pluginContextID, configurationSize uint32) bool {
	return bool(internal.ProxyOnConfigure(pluginContextID, int(configurationSize)))
}

//go:wasmexport proxy_on_tick
func proxyOnTick(pluginContextID uint32) { internal.ProxyOnTick(pluginContextID) }

//go:wasmexport proxy_on_queue_ready
func proxyOnQueueReady(pluginContextID, queueID uint32) {
	internal.ProxyOnQueueReady(pluginContextID, queueID)
}

//go:wasmexport proxy_on_http_call_response
func proxyOnHTTPCallResponse(pluginContextID, token, numHeaders, bodySize, numTrailers uint32) {
	finishCallout(pluginContextID, token, int(numHeaders), int(bodySize), int(numTrailers))
}

//go:wasmexport proxy_on_request_headers
func proxyOnRequestHeaders(contextID, numHeaders uint32, endOfStream bool) types.Action {
	return httpContext(contextID).OnHttpRequestHeaders(int(numHeaders), endOfStream)
}

//go:wasmexport proxy_on_response_headers
func proxyOnResponseHeaders(contextID, numHeaders uint32, endOfStream bool) types.Action {
	return httpContext(contextID).OnHttpResponseHeaders(int(numHeaders), endOfStream)
}

//go:wasmexport proxy_on_request_trailers
func proxyOnRequestTrailers(contextID, numTrailers uint32) types.Action {
	return httpContext(contextID).OnHttpRequestTrailers(int(numTrailers))
}

//go:wasmexport proxy_on_response_trailers
func proxyOnResponseTrailers(contextID, numTrailers uint32) types.Action {
	return httpContext(contextID).OnHttpResponseTrailers(int(numTrailers))
}

// deleteContext removes a context.
func deleteContext(contextID uint32) {
	if streams.remove(contextID) {
		return
	}
	internal.ProxyOnDelete(contextID)
	if contexts.remove(contextID) {
		removePlugin(contextID)
		dropCallouts(contextID)
	}
}
