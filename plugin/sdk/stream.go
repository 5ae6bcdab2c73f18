package upstreamgo

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"

// StreamType is a direction of a stream, with the numbers of the proxy-wasm ABI.
type StreamType uint32

// The stream types of the ABI: the first two for HTTP streams, the others for TCP.
const (
	StreamRequest    StreamType = 0
	StreamResponse   StreamType = 1
	StreamDownstream StreamType = 2
	StreamUpstream   StreamType = 3
)

// CloseStream closes the stream of the effective context at once, even a live WebSocket or event
// stream. In Envoy, both HTTP types close an HTTP stream as a whole, and the TCP types return no
// error and do nothing there.
func CloseStream(stream StreamType) error {
	return internal.StatusToError(internal.ProxyCloseStream(internal.StreamType(stream)))
}
