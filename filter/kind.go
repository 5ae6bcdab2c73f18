package filter

import "strings"

// requestKind is what a request is for, as far as its refusal goes.
type requestKind uint8

const (
	kindUnknown requestKind = iota
	kindProgram             // fetch, XHR, WebSocket, EventSource, an API client: wants a status
	kindPage                // a person's page load: wants to be led to the login page
	kindGRPC                // wants a grpc-status
)

// kindOf returns the kind of a request: by the headers that browsers send (Fetch
// Metadata, W3C), then by those of older ones and of tools.
func kindOf(h Headers) requestKind {
	switch contentType := h.Get("content-type"); {
	case isGRPC(contentType):
		return kindGRPC
	case h.Get("upgrade") != "" || h.Get(":method") == "CONNECT":
		return kindProgram
	}
	if mode := h.Get("sec-fetch-mode"); mode != "" {
		if mode == "navigate" {
			return kindPage
		}
		return kindProgram
	}
	if strings.EqualFold(h.Get("x-requested-with"), "XMLHttpRequest") {
		return kindProgram
	}
	accept := strings.ToLower(h.Get("accept"))
	if strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml+xml") {
		return kindPage
	}
	// curl and old browsers send */* with a plain GET. So does a script, but with an
	// Origin, or to write.
	if accept == "*/*" && isSafe(h.Get(":method")) && h.Get("origin") == "" {
		return kindPage
	}
	return kindProgram
}

// isGRPC follows Envoy's Grpc::Common::isGrpcRequestHeaders: application/grpc,
// alone or with a suffix. gRPC-Web comes from browsers' fetch and is not meant.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

func isSafe(method string) bool { return method == "GET" || method == "HEAD" }
