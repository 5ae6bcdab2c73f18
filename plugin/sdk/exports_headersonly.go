//go:build wasip1 && upstreamgo.headersonly

package upstreamgo

// The end of a stream is one call and not two: OnHttpStreamDone runs as the context goes.
//
//go:wasmexport proxy_on_delete
func proxyOnDelete(contextID uint32) {
	httpContext(contextID).OnHttpStreamDone()
	deleteContext(contextID)
}
