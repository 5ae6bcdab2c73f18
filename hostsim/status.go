package hostsim

import "slices"

// status is what a host call answers the guest (proxy-wasm ABI 0.2.1).
type status uint32

const (
	ok                  status = 0
	notFound            status = 1
	badArgument         status = 2
	serializationFailed status = 3
	parseFailure        status = 4
	invalidMemory       status = 6
	empty               status = 7
	casMismatch         status = 8
	internalFailure     status = 10
	unimplemented       status = 12
)

// statusNames are the statuses' names, by number.
var statusNames = [...]string{
	ok: "ok", notFound: "not_found", badArgument: "bad_argument", serializationFailed: "serialization_failure", parseFailure: "parse_failure",
	invalidMemory: "invalid_memory_access", empty: "empty", casMismatch: "cas_mismatch", internalFailure: "internal_failure",
	unimplemented: "unimplemented",
}

func (s status) String() string { return nameOf(statusNames[:], uint64(s)) }

// statusNamed is the inverse of String.
func statusNamed(name string) status { return status(slices.Index(statusNames[:], name)) }

// Header map types of the ABI.
const (
	requestHeaders = iota
	requestTrailers
	responseHeaders
	responseTrailers
	grpcInitialMetadata
	grpcTrailingMetadata
	calloutHeaders
	calloutTrailers
	lastHeaderMap = calloutTrailers
)

// Buffer types of the ABI.
const (
	requestBody = iota
	responseBody
	downstreamData
	upstreamData
	calloutBody
	grpcBuffer
	vmConfiguration
	pluginConfiguration
	callData
	lastBuffer = callData
)

// Stream types of the ABI.
const (
	requestStream = iota
	responseStream
	downstreamStream
	upstreamStream
	lastStream = upstreamStream
)

// What a callback answers. Headers: anything but goOn stops everything. Bodies:
// pauseBuffer keeps the bytes, others stop without keeping them.
const (
	goOn           = 0
	pauseBuffer    = 1
	pauseWatermark = 2
	pauseNoBuffer  = 3
)
