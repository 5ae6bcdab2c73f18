package grpc

import (
	"net/http"
	"strconv"
	"strings"
)

// Codes of google.rpc.Code. NoCode stands for none.
const (
	NoCode      = -1
	MaxCode     = 16
	Unknown     = 2
	Internal    = 13
	Unavailable = 14
)

// Status is the result of a callout.
type Status struct {
	Code    uint32 // of google.rpc.Code
	Message string
}

// StatusIn returns the status in grpc-status and grpc-message. Without grpc-status, found is
// false and the code is Unknown.
func StatusIn(h http.Header) (status Status, found bool) {
	text := h.Get("grpc-status")
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return Status{Code: Unknown}, false
	}
	return Status{uint32(code), WithDetails(h.Get("grpc-message"), ViaUpstream)}, true
}

// ViaUpstream is Envoy's detail of a response that came from the upstream.
const ViaUpstream = "via_upstream"

// WithDetails returns a status message as Envoy passes it to the guest: not decoded, with
// the details in braces.
func WithDetails(message, details string) string {
	if message == "" {
		return details
	}
	return message + "{" + details + "}"
}

// CodeOf returns the code for an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
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

// EncodeMessage returns the percent-encoded form of a status message: printable ASCII
// except "%" is unchanged.
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
