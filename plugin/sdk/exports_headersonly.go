//go:build wasip1 && upstreamgo.headersonly

package upstreamgo

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"

// The end of a stream is one call and not two: OnHttpStreamDone runs as the context goes.
//
//go:wasmexport proxy_on_delete
func proxyOnDelete(contextID uint32) {
	internal.ProxyOnLog(contextID)
	deleteContext(contextID)
}
