package hostsim

import (
	"sync"
	"sync/atomic"
	"time"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/property"
	"cloakroom/hostsim/internal/upstream"
)

// proxy is what the workers of one host share.
type proxy struct {
	Clock       clock.Clock
	VirtualHost string
	Routes      []route
	Clusters    map[string]*upstream.Cluster
	BufferLimit int  // bytes of a paused body
	Trailers    bool // HTTP/1.1 trailers pass

	Running    *sync.WaitGroup // requests to upstreams
	lastStream atomic.Uint64
}

// route is a route, as hostsim.Route documents it.
type route struct {
	Name    string
	Path    string
	Prefix  string
	Cluster string
	Timeout time.Duration // negative: none

	Metadata property.Message
}

// worker is a worker with the streams that it serves.
type worker struct {
	*guest.Worker
	proxy   *proxy
	streams map[*stream]struct{}
}

// newWorker returns a worker whose plugins have not been loaded.
func newWorker(p *proxy, w *guest.Worker) *worker {
	return &worker{w, p, map[*stream]struct{}{}}
}

// Stop ends the open streams and then the VMs.
func (w *worker) stop() {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for s := range w.streams {
		s.resetStream()
		s.end()
	}
	w.Worker.Stop()
}
