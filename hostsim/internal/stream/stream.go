// Package stream proxies HTTP streams through filters as Envoy's connection manager and router
// do.
package stream

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/property"
	"cloakroom/hostsim/internal/upstream"
)

// Proxy is what the workers of a host share.
type Proxy struct {
	Clock       clock.Clock
	VirtualHost string
	Routes      []Route
	Clusters    map[string]*upstream.Cluster
	BufferLimit int  // bytes of a paused body, at most
	Trailers    bool // HTTP/1.1 trailers pass
	// AccessLog gets each stream that has ended, from several workers at once; nil is none.
	AccessLog func(AccessEntry)

	Running    *sync.WaitGroup // counts the requests to upstreams
	lastStream atomic.Uint64   // the id of the last stream
}

// Route is a hostsim.Route.
type Route struct {
	Name    string
	Path    string
	Prefix  string
	Cluster string
	Timeout time.Duration // negative is none

	Metadata property.Message
}

// AccessEntry is a hostsim.AccessEntry.
type AccessEntry struct {
	Request     map[string][]string
	Status      int
	Details     string
	FilterState map[string]string
}

// Worker is a worker with its streams.
type Worker struct {
	*guest.Worker
	proxy   *Proxy
	streams map[*Stream]struct{}
}

// Stream is one HTTP request with its response. The worker's lock guards all fields that
// change after newStream.
type Stream struct {
	proxy   *Proxy
	worker  *Worker
	signal  *flow.Signal // of the worker's lock
	filters []*Filter    // in the order in which requests pass them

	client         *http.Request
	id             uint64
	started        time.Time
	received       int64 // bytes of the request's body
	requestHeaders *header.Map
	request        flow.Direction
	isGRPC         bool
	isHead         bool
	upgrade        bool

	route  *Route
	routed bool

	responseHeaders *header.Map // nil until there is a response
	response        flow.Direction
	details         string

	downstream  *responseHead // what the client gets; nil until the filters have passed it
	reset       bool          // the client's connection is to be closed
	logging     bool          // proxy_on_log runs
	ended       bool
	done        chan struct{}     // closed at the end
	filterState map[string]string // what guests have stored

	upstream       context.Context // the request to the upstream
	cancelUpstream context.CancelFunc
	timeout        clock.Timer        // of the route; nil until the request is complete
	upstreamConn   net.Conn           // of the response; only its addresses are used
	tunnel         io.ReadWriteCloser // the connection to the upstream of an upgraded stream
}

// Filter is a plugin on a stream. The stream keeps the VM with which it began, even if that is
// replaced.
type Filter struct {
	s          *Stream
	vm         *guest.VM // nil if it has failed before the stream began
	root       *guest.Context
	guest      *guest.Context // nil until the filter begins
	request    flow.Stage
	response   flow.Stage
	onRequest  callbacks // of request
	onResponse callbacks // of response
	replied    bool      // the guest has sent a local reply
	failed     bool      // the stream was answered because the VM has failed
}

// callbacks is a flow.Filter: the callbacks of a filter in one direction.
type callbacks struct {
	f                       *Filter
	headers, body, trailers api.Function // nil if the guest does not export it
	tooLarge                *guest.LocalReply
}

// responseHead is the status and the headers that the client gets.
type responseHead struct {
	status  int
	header  http.Header
	upgrade bool
}

// resetStream ends the stream and closes the connections to the client and to the upstream.
func (s *Stream) resetStream() {
	s.reset = true
	s.request.Abort()
	s.response.Abort()
	s.cancelUpstream()
	s.signal.End()
}
