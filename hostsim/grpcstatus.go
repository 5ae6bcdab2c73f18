package hostsim

import (
	"net/http"
	"strconv"
	"strings"
)

// Codes of google.rpc.Code. noGRPCStatus is none of them.
const (
	noGRPCStatus    = -1
	grpcMaximum     = 16
	grpcUnknown     = 2
	grpcInternal    = 13
	grpcUnavailable = 14
)

// grpcEnd is how a callout ended, as a status of google.rpc.Code.
type grpcEnd struct {
	code    uint32
	message string
}

// grpcStatusIn reads grpc-status and grpc-message; without the first the status is
// unknown.
func grpcStatusIn(h http.Header) (end grpcEnd, found bool) {
	text := h.Get("grpc-status")
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return grpcEnd{code: grpcUnknown}, false
	}
	return grpcEnd{uint32(code), detailed(h.Get("grpc-message"), viaUpstream)}, true
}

// viaUpstream is Envoy's word for an answer that came from the upstream.
const viaUpstream = "via_upstream"

// detailed is the message as Envoy gives it: not decoded, with what else is known.
func detailed(message, details string) string {
	if message == "" {
		return details
	}
	return message + "{" + details + "}"
}

// grpcStatusOf is the mapping of gRPC's "HTTP to gRPC Status Code Mapping".
func grpcStatusOf(httpStatus int) int {
	switch httpStatus {
	case http.StatusBadRequest:
		return 13
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusNotFound:
		return 12
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	}
	return 2
}

// percentEncode writes a gRPC status message: printable ASCII but "%" as it is.
func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
