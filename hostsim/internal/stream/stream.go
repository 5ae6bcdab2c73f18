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

// Proxy is what the workers of one host share.
type Proxy struct {
	Clock       clock.Clock
	VirtualHost string
	Routes      []Route
	Clusters    map[string]*upstream.Cluster
	BufferLimit int  // bytes of a paused body
	Trailers    bool // HTTP/1.1 trailers pass

	Running    *sync.WaitGroup // requests to upstreams
	lastStream atomic.Uint64
}

// Route is a route, as hostsim.Route documents it.
type Route struct {
	Name    string
	Path    string
	Prefix  string
	Cluster string
	Timeout time.Duration // negative: none

	Metadata property.Message
}

// Worker is a worker with the streams that it serves.
type Worker struct {
	*guest.Worker
	proxy   *Proxy
	streams map[*Stream]struct{}
}

// Stream is one HTTP request with its answer. The worker's lock guards everything
// that is not set once at the start.
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

	responseHeaders *header.Map // as soon as there is one, sent or not
	response        flow.Direction
	details         string

	downstream  *responseHead // what goes to the client, once it may
	reset       bool          // the client's connection is to be cut
	logging     bool          // proxy_on_log runs
	ended       bool
	over        chan struct{}     // closed at the end
	filterState map[string]string // what set_property wrote

	upstream       context.Context // the request to the upstream
	cancelUpstream context.CancelFunc
	timeout        clock.Timer        // of the route; nil until the request is complete
	upstreamConn   net.Conn           // that the answer came by; only its addresses are read
	tunnel         io.ReadWriteCloser // the upstream's side of an upgraded stream
}

// Filter is one plugin on one stream. Its handle's VM may be replaced meanwhile;
// the stream keeps to the one it began with.
type Filter struct {
	s          *Stream
	vm         *guest.VM // nil: there is none, and the plugin fails closed
	root       *guest.Context
	guest      *guest.Context // nil until the request's headers reach the filter
	request    flow.Half
	response   flow.Half
	onRequest  callbacks // what dec calls
	onResponse callbacks
	replied    bool // the guest has sent a local reply
	failed     bool // the answer to a failed VM has been sent
}

// callbacks are a filter's callbacks in one direction, as flow calls them.
type callbacks struct {
	f                       *Filter
	headers, body, trailers api.Function // nil where the guest has none
	tooLarge                *guest.LocalReply
}

// responseHead is the head of the answer, as it goes to the client.
type responseHead struct {
	status  int
	header  http.Header
	upgrade bool
}

// resetStream cuts the stream: the client's connection and the upstream's.
func (s *Stream) resetStream() {
	s.reset = true
	s.request.Abort()
	s.response.Abort()
	s.cancelUpstream()
	s.signal.End()
}
