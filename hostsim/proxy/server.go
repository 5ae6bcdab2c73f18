package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin returns the handler of the admin address: /metrics and /ready.
func admin(p *proxy) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{p.metrics})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	return mux
}

const (
	drain       = 3 * time.Second // for requests in flight, once the proxy stops
	headerBytes = 60 << 10        // as in Envoy
)

// server is an address with its handler.
type server struct {
	flag     string // that sets the address, for errors
	address  string
	ready    string // format of the line that is logged with the address once it listens
	handler  http.Handler
	listener net.Listener
}

// listen opens the listeners of all servers, or of none.
func listen(servers []*server) error {
	for i, s := range servers {
		var err error
		if s.listener, err = net.Listen("tcp", s.address); err != nil {
			for _, open := range servers[:i] {
				_ = open.listener.Close()
			}
			return fmt.Errorf("%s: %w", s.flag, err)
		}
	}
	return nil
}

// serve serves all servers until ctx ends or one of them fails. Then it closes requests that
// take longer than drain.
func serve(ctx context.Context, servers []*server, log io.Writer) error {
	if err := listen(servers); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var failed error
	var all sync.WaitGroup
	for _, s := range servers {
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		h := &http.Server{Handler: s.handler, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: headerBytes}
		all.Go(func() {
			if err := h.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				stop()
			}
		})
		all.Go(func() {
			<-ctx.Done()
			late, cancel := context.WithTimeout(context.Background(), drain)
			defer cancel()
			if h.Shutdown(late) != nil {
				_ = h.Close()
			}
		})
	}
	for _, s := range servers {
		fmt.Fprintf(log, s.ready, s.listener.Addr())
	}
	all.Wait()
	return failed
}
