// Package abi holds the constants of the proxy-wasm ABI 0.2.1 and the encoding of what
// crosses it.
package abi

import (
	"fmt"
	"slices"
)

// Status is the result of a host call.
type Status uint32

// The statuses that this host returns.
const (
	OK                   Status = 0
	NotFound             Status = 1
	BadArgument          Status = 2
	SerializationFailure Status = 3
	ParseFailure         Status = 4
	InvalidMemoryAccess  Status = 6
	Empty                Status = 7
	CASMismatch          Status = 8
	InternalFailure      Status = 10
	Unimplemented        Status = 12
)

// StatusNames are the names of the statuses, by number; "" where this host returns none.
var StatusNames = [...]string{
	OK: "ok", NotFound: "not_found", BadArgument: "bad_argument", SerializationFailure: "serialization_failure", ParseFailure: "parse_failure",
	InvalidMemoryAccess: "invalid_memory_access", Empty: "empty", CASMismatch: "cas_mismatch", InternalFailure: "internal_failure",
	Unimplemented: "unimplemented",
}

// String returns the status's name in lower case, or its number in angle brackets.
func (s Status) String() string { return NameOf(StatusNames[:], uint64(s)) }

// StatusNamed returns the status of a name in StatusNames.
func StatusNamed(name string) Status { return Status(slices.Index(StatusNames[:], name)) }

// Header map types of the ABI.
const (
	RequestHeaders = iota
	RequestTrailers
	ResponseHeaders
	ResponseTrailers
	GRPCInitialMetadata
	GRPCTrailingMetadata
	CalloutHeaders
	CalloutTrailers
	LastMap = CalloutTrailers
)

// Buffer types of the ABI.
const (
	RequestBody = iota
	ResponseBody
	DownstreamData
	UpstreamData
	CalloutBody
	GRPCMessage
	VMConfiguration
	PluginConfiguration
	CallData
	LastBuffer = CallData
)

// Stream types of the ABI.
const (
	RequestStream = iota
	ResponseStream
	DownstreamStream
	UpstreamStream
	LastStream = UpstreamStream
)

// The actions that a callback returns. At the headers anything but Continue pauses all that
// follows. At a body StopAndBuffer and StopAndWatermark keep the bytes, StopNoBuffer drops
// them.
const (
	Continue         = 0
	StopAndBuffer    = 1
	StopAndWatermark = 2
	StopNoBuffer     = 3
)

// The names of the map, buffer and stream types in a trace, by number.
var (
	MapNames = [...]string{"request headers", "request trailers", "response headers", "response trailers",
		"grpc initial metadata", "grpc trailing metadata", "callout headers", "callout trailers"}
	BufferNames = [...]string{"request body", "response body", "downstream data", "upstream data", "callout body",
		"grpc message", "vm configuration", "plugin configuration", "call data"}
	StreamNames = [...]string{"request", "response", "downstream", "upstream"}
)

// NameOf returns names[i], or i in angle brackets if there is none. It uses the low 32 bits
// of i, as the ABI passes a type.
func NameOf(names []string, i uint64) string {
	if n := uint32(i); n < uint32(len(names)) {
		return names[n]
	}
	return fmt.Sprintf("<%d>", uint32(i))
}
