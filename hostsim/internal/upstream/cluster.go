// Package upstream implements clusters: where requests and callouts go.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/header"
)

// Cluster is one upstream with its connections.
type Cluster struct {
	Name    string
	Address string          // host:port, or the name if a handler serves it
	HTTP    *http.Transport // HTTP/1.1
	GRPC    *http.Transport // HTTP/2 without TLS
	server  *http.Server    // nil without a handler
}

// Open opens the cluster that handler serves in this process or, if handler is nil, the one
// at the URL base.
func Open(name, base string, handler http.Handler, clk clock.Clock) (*Cluster, error) {
	out := &Cluster{Name: name, HTTP: newTransport(), GRPC: newTransport()}
	out.GRPC.Protocols = &http.Protocols{}
	out.GRPC.Protocols.SetUnencryptedHTTP2(true)
	if handler != nil {
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		out.Address = name
		out.HTTP.DialContext, out.GRPC.DialContext = l.dial, l.dial
		out.server = &http.Server{Handler: dated(handler, clk), ReadHeaderTimeout: time.Minute, Protocols: &http.Protocols{}}
		out.server.Protocols.SetHTTP1(true)
		out.server.Protocols.SetUnencryptedHTTP2(true)
		go out.server.Serve(l) // ends with the server
		return out, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("hostsim: cluster %q: want http://host:port, got %q", name, base)
	}
	out.Address = u.Host
	return out, nil
}

// dated returns a handler whose date headers follow the clock.
func dated(h http.Handler, clk clock.Clock) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", clk.Now().UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

func newTransport() *http.Transport {
	return &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, MaxResponseHeaderBytes: header.MaxBytes}
}

// Close closes the connections and stops the handler's server.
func (c *Cluster) Close() {
	c.GRPC.CloseIdleConnections()
	c.HTTP.CloseIdleConnections()
	if c.server != nil {
		_ = c.server.Close() // the pipes have nothing to flush
	}
}

// Request returns a request to the cluster with the headers of m.
func (c *Cluster) Request(ctx context.Context, m *header.Map, upgrade bool) *http.Request {
	req := &http.Request{
		Method: m.Value(":method"),
		URL:    &url.URL{Scheme: "http", Host: c.Address, Opaque: m.Value(":path")},
		Host:   m.Value(":authority"),
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": nil}, // nil keeps net/http from adding its own
	}
	m.CopyTo(req.Header, upgrade)
	return req.WithContext(ctx)
}

// Response returns the headers of an upstream's response.
func Response(resp *http.Response) *header.Map {
	m := header.NewResponse()
	m.Add(":status", strconv.Itoa(resp.StatusCode))
	m.AddHTTP(resp.Header)
	if len(resp.TransferEncoding) > 0 {
		m.Add("transfer-encoding", resp.TransferEncoding[0])
	}
	return m
}

// Failure returns the status and body with which Envoy answers a request that got no
// response, and the reset reason in Envoy's words; reason is "" after a timeout.
func Failure(err error) (status int, text, reason string) {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "upstream request timeout", ""
	case errors.As(err, &op) && op.Op == "dial":
		reason = "remote connection failure"
	default:
		reason = "connection termination"
	}
	return http.StatusServiceUnavailable,
		"upstream connect error or disconnect/reset before headers. reset reason: " + reason, reason
}

// pipeListener is a net.Listener of in-memory connections.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
