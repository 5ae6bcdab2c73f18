//go:build wasip1 && !upstreamgo.headersonly

package upstreamgo

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// The callbacks that a headers-only plugin does not need: the host does not call what is not
// exported.

//go:wasmexport proxy_on_request_body
func proxyOnRequestBody(contextID, bodySize uint32, endOfStream bool) types.Action {
	return httpContext(contextID).OnHttpRequestBody(int(bodySize), endOfStream)
}

//go:wasmexport proxy_on_response_body
func proxyOnResponseBody(contextID, bodySize uint32, endOfStream bool) types.Action {
	return httpContext(contextID).OnHttpResponseBody(int(bodySize), endOfStream)
}

//go:wasmexport proxy_on_new_connection
func proxyOnNewConnection(contextID uint32) types.Action {
	return internal.ProxyOnNewConnection(contextID)
}

//go:wasmexport proxy_on_downstream_data
func proxyOnDownstreamData(contextID, dataSize uint32, endOfStream bool) types.Action {
	return internal.ProxyOnDownstreamData(contextID, int(dataSize), endOfStream)
}

//go:wasmexport proxy_on_downstream_connection_close
func proxyOnDownstreamConnectionClose(contextID uint32, peer types.PeerType) {
	internal.ProxyOnDownstreamConnectionClose(contextID, peer)
}

//go:wasmexport proxy_on_upstream_data
func proxyOnUpstreamData(contextID, dataSize uint32, endOfStream bool) types.Action {
	return internal.ProxyOnUpstreamData(contextID, int(dataSize), endOfStream)
}

//go:wasmexport proxy_on_upstream_connection_close
func proxyOnUpstreamConnectionClose(contextID uint32, peer types.PeerType) {
	internal.ProxyOnUpstreamConnectionClose(contextID, peer)
}

//go:wasmexport proxy_on_done
func proxyOnDone(contextID uint32) bool { return internal.ProxyOnDone(contextID) }

//go:wasmexport proxy_on_log
func proxyOnLog(contextID uint32) { httpContext(contextID).OnHttpStreamDone() }

//go:wasmexport proxy_on_delete
func proxyOnDelete(contextID uint32) { deleteContext(contextID) }
