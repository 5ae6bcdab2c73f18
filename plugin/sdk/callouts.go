package upstreamgo

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
)

// CalloutDone receives the end of a callout. Timeouts and failed connections arrive as ordinary
// responses that the host makes (Envoy: status 504 and 503); numHeaders is 0 if the response broke
// off. The sizes are those of proxywasm.GetHttpCallResponseHeaders, GetHttpCallResponseBody
// (bytes) and GetHttpCallResponseTrailers, which can be read until CalloutDone returns, whatever
// the effective context.
type CalloutDone = func(numHeaders, bodySize, numTrailers int)

// calloutID identifies a callout as proxy_on_http_call_response does.
type calloutID struct{ plugin, token uint32 }

var callouts = map[calloutID]CalloutDone{}

// lastCallout holds the arguments of the last callout.
var lastCallout struct {
	headers []byte
	token   uint32
}

// noPairs is the ABI's encoding of an empty list of header pairs.
var noPairs [4]byte

// DispatchHTTPCall sends an HTTP request to the cluster and calls done with the response, once,
// even if the stream that sent it has ended since. The callout belongs to the plugin context, of
// which the current callback or stream is: if that context is deleted, done is never called. It is
// not called after an error either. The headers must hold :method, :path and :authority. A
// timeoutMillis of 0 means no timeout.
//
// done runs with the plugin context as the effective one; proxywasm.SetEffectiveContext selects
// the waiting streams. Within done, dispatch further callouts by DispatchHTTPCall:
// proxywasm.DispatchHttpCall registers them with the context of the SDK's last callback, which may
// have been deleted.
//
// The error is one of the SDK's: types.ErrorStatusBadArgument for an unknown cluster or a missing
// header, types.ErrorInternalFailure if the request failed at once.
func DispatchHTTPCall(plugin uint32, cluster string, headers [][2]string, body []byte, timeoutMillis uint32, done CalloutDone) error {
	lastCallout.headers = serializePairs(lastCallout.headers[:0], headers)
	pairs, token := lastCallout.headers, &lastCallout.token
	status := internal.ProxyHttpCall(unsafe.StringData(cluster), len(cluster), unsafe.SliceData(pairs), len(pairs),
		unsafe.SliceData(body), len(body), &noPairs[0], len(noPairs), timeoutMillis, token)
	if status != internal.StatusOK {
		return internal.StatusToError(status)
	}
	callouts[calloutID{plugin, *token}] = done
	return nil
}

// finishCallout passes the response to the callout's function, or to the SDK if the SDK has
// dispatched the callout.
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

// dropCallouts drops the callouts of a deleted plugin context; the host has cancelled them.
func dropCallouts(plugin uint32) {
	for id := range callouts {
		if id.plugin == plugin {
			delete(callouts, id)
		}
	}
}
