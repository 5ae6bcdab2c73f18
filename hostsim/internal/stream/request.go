package stream

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// requestMap returns the headers of a client's request as Envoy's connection manager passes
// them to the filters.
func requestMap(r *http.Request) *header.Map {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	path := r.RequestURI
	if path == "" || path[0] != '/' { // not from a connection, or in absolute form
		path = r.URL.RequestURI()
	}
	m := header.NewRequest()
	m.Pairs = []abi.Pair{
		{Name: ":authority", Value: r.Host}, {Name: ":path", Value: path},
		{Name: ":method", Value: r.Method}, {Name: ":scheme", Value: scheme},
	}
	m.AddHTTP(r.Header)
	m.DropHopByHop()
	if r.ContentLength > 0 {
		m.Set("content-length", strconv.FormatInt(r.ContentLength, 10))
	}
	m.SetDefault("x-forwarded-proto", scheme)
	m.SetDefault("x-request-id", newRequestID())
	return m
}

// newRequestID returns a random UUID, version 4.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// refusal returns the status with which Envoy refuses a request, or 0: one with a fragment in
// the path, or with more than 60 KiB or 100 headers.
func refusal(r *http.Request) int {
	if strings.Contains(r.RequestURI, "#") {
		return http.StatusBadRequest
	}
	count, size := 0, 0
	for name, values := range r.Header {
		for _, v := range values {
			count, size = count+1, size+len(name)+len(v)
		}
	}
	if size > header.MaxBytes || count > header.MaxCount {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return 0
}

// Refuse answers a request that Envoy does not pass to the filters. It returns false for any
// other request.
func Refuse(w http.ResponseWriter, r *http.Request) bool {
	status := refusal(r)
	if status == 0 {
		return false
	}
	w.Header().Set("Connection", "close")
	if status != http.StatusRequestHeaderFieldsTooLarge {
		w.WriteHeader(status)
		return true
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)) // the client may have disconnected
	return true
}
