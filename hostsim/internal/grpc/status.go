package grpc

import (
	"net/http"
	"strconv"
	"strings"
)

// Codes of google.rpc.Code. NoCode is none of them.
const (
	NoCode      = -1
	MaxCode     = 16
	Unknown     = 2
	Internal    = 13
	Unavailable = 14
)

// Status is how a callout ended, as a status of google.rpc.Code.
type Status struct {
	Code    uint32
	Message string
}

// StatusIn reads grpc-status and grpc-message; without the first the status is
// unknown.
func StatusIn(h http.Header) (end Status, found bool) {
	text := h.Get("grpc-status")
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return Status{Code: Unknown}, false
	}
	return Status{uint32(code), WithDetails(h.Get("grpc-message"), ViaUpstream)}, true
}

// ViaUpstream is Envoy's word for an answer that came from the upstream.
const ViaUpstream = "via_upstream"

// WithDetails is the message as Envoy gives it: not decoded, with what else is known.
func WithDetails(message, details string) string {
	if message == "" {
		return details
	}
	return message + "{" + details + "}"
}

// CodeOf is the mapping of gRPC's "HTTP to gRPC Status Code Mapping".
func CodeOf(httpStatus int) int {
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
		return Unavailable
	}
	return 2
}

// EncodeMessage writes a gRPC status message: printable ASCII but "%" as it is.
func EncodeMessage(s string) string {
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
