package upstreamgo

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// CalloutDone receives the end of a callout. Timeouts and failed connections arrive as ordinary responses of the host's
// making (Envoy: status 504 and 503); numHeaders is 0 where the response broke off. The sizes are those of
// proxywasm.GetHttpCallResponseHeaders, GetHttpCallResponseBody (bytes) and GetHttpCallResponseTrailers, which can be
// read until CalloutDone returns, whatever the effective context.
type CalloutDone = func(numHeaders, bodySize, numTrailers int)

// calloutID names a callout as proxy_on_http_call_response does.
type calloutID struct{ plugin, token uint32 }

var callouts = map[calloutID]CalloutDone{}

// asked is what the last callout was sent with.
var asked struct {
	headers []byte
	token   uint32
}

// noPairs is the ABI's encoding of an empty list of header pairs.
var noPairs [4]byte

// DispatchHTTPCall sends an HTTP request to the cluster and has done called with the answer, once, even if the stream
// that asked for it has ended meanwhile. The callout belongs to the plugin context, the one whose stream or callback asks:
// when that goes, done is never called. After an error it is not called either. The headers must hold :method, :path and
// :authority. A timeoutMillis of 0 means no timeout.
//
// done runs with the plugin context as the effective one; proxywasm.SetEffectiveContext leads to the streams that wait.
// Within done, dispatch further callouts by DispatchHTTPCall: proxywasm.DispatchHttpCall books them on the context of
// the SDK's last callback, which may be gone.
//
// The error is one of the SDK's: types.ErrorStatusBadArgument for an unknown cluster or a missing header,
// types.ErrorInternalFailure where the request failed at once.
func DispatchHTTPCall(plugin uint32, cluster string, headers [][2]string, body []byte, timeoutMillis uint32, done CalloutDone) error {
	asked.headers = serializePairs(asked.headers[:0], headers)
	pairs, token := asked.headers, &asked.token
	status := internal.ProxyHttpCall(unsafe.StringData(cluster), len(cluster), unsafe.SliceData(pairs), len(pairs),
		unsafe.SliceData(body), len(body), &noPairs[0], len(noPairs), timeoutMillis, token)
	if status != internal.StatusOK {
		return internal.StatusToError(status)
	}
	callouts[calloutID{plugin, *token}] = done
	return nil
}

// finishCallout gives the answer to the callout's function, or to the SDK where the SDK has dispatched the callout.
func finishCallout(plugin, token uint32, numHeaders, bodySize, numTrailers int) {
	id := calloutID{plugin, token}
	done, ours := callouts[id]
	if !ours {
		internal.ProxyOnHttpCallResponse(plugin, token, numHeaders, bodySize, numTrailers)
		return
	}
	delete(callouts, id)
	done(numHeaders, bodySize, numTrailers)
}

// forgetCallouts drops the callouts of a plugin context that is gone; the host has cancelled them.
func forgetCallouts(plugin uint32) {
	for id := range callouts {
		if id.plugin == plugin {
			delete(callouts, id)
		}
	}
}
