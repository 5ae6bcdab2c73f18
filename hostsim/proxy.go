package hostsim

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// serverHeader stands in the server header of every answer, as by Envoy's default.
const serverHeader = "envoy"

// downstreamHead is the head of the answer, as it goes to the client.
type downstreamHead struct {
	status  int
	header  http.Header
	upgrade bool
}

// forwardResponse takes the response's headers as they stand for the client.
func (s *stream) forwardResponse() {
	status, err := strconv.Atoi(s.response.Value(":status"))
	if err != nil || status < 200 && s.tunnel == nil || status > 999 {
		s.localReply(guest.LocalReply{Status: 502, Body: "missing required header: :status", GRPC: grpc.NoCode,
			Details: "filter_removed_required_response_headers"})
		return
	}
	d := &downstreamHead{status: status, header: http.Header{}, upgrade: s.tunnel != nil}
	s.response.Set("server", serverHeader)
	s.response.SetDefault("date", s.proxy.Clock.Now().UTC().Format(http.TimeFormat))
	s.response.CopyTo(d.header, d.upgrade)
	s.down = d
	s.signal.Wake()
}

// requestMap is a client's request as Envoy's connection manager hands it on.
func requestMap(r *http.Request) *header.Map {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	path := r.RequestURI
	if path == "" || path[0] != '/' { // made by hand, or the absolute form
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

// newRequestID makes a random UUID, version 4.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// refusal returns the status of a request that Envoy does not take to the filters, or 0: a
// fragment in the path; more than 60 KiB, or 100, headers.
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

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Connection", "close")
	if status != http.StatusRequestHeaderFieldsTooLarge {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)) // the client may have gone
}

// serve proxies one request through the filters. A stream that is reset ends with
// http.ErrAbortHandler, which cuts the client's connection.
func (worker *worker) serve(w http.ResponseWriter, r *http.Request) {
	var s *stream
	worker.Do(func() {
		s = newStream(worker, r)
		s.begin()
	})
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // where it is unsupported, the body is read first
	stopWatch := context.AfterFunc(r.Context(), func() { worker.Do(s.resetStream) })
	pumped := s.pumpRequest()
	defer func() {
		stopWatch()
		worker.Do(s.end)
		if s.unread() && control.SetReadDeadline(time.Unix(1, 0)) == nil {
			<-pumped
		}
	}()
	if !s.answer(w, control) {
		panic(http.ErrAbortHandler)
	}
}

// unread reports whether the client may still be sending.
func (s *stream) unread() bool {
	s.worker.Mu.Lock()
	defer s.worker.Mu.Unlock()
	return !s.dec.EndAtHeaders() && !s.dec.Ended() && !s.upgrade
}

// pumpRequest feeds the client's body to the filter until it ends.
func (s *stream) pumpRequest() <-chan struct{} {
	done := make(chan struct{})
	if s.dec.EndAtHeaders() || s.upgrade {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		p := &flow.Source{Into: &s.dec, From: s.client.Body, Count: &s.received, Trailers: func() *header.Map {
			return s.trailerMap(s.client.ProtoMajor, s.client.Trailer)
		}}
		if err := p.Pump(); err != nil {
			s.worker.Do(func() {
				if !s.ended && s.down == nil {
					s.resetStream()
				}
			})
		}
	}()
	return done
}

// answer writes the response as it comes. It answers false for a stream that was
// reset.
func (s *stream) answer(w http.ResponseWriter, control *http.ResponseController) bool {
	head := s.awaitHead()
	if head == nil {
		return false
	}
	if head.upgrade {
		return s.serveTunnel(head, control)
	}
	w.Header()["Content-Type"] = nil // net/http is not to guess one
	for name, values := range head.header {
		w.Header()[name] = values
	}
	if s.unread() {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(head.status)
	if s.mustFlush(head) {
		_ = control.Flush() // a writer that cannot flush sends when it is done
	}
	for {
		b, end, cut := s.enc.Out.Take()
		if cut {
			return false
		}
		if len(b) > 0 {
			if _, err := w.Write(b); err != nil && err != http.ErrBodyNotAllowed {
				return true // the client has gone
			}
		}
		if end && s.enc.Out.Drained() {
			s.writeTrailers(w)
			return true
		}
		_ = control.Flush()
	}
}

// mustFlush reports whether the head has to go out before the body: because the body
// is not there yet, or has no known length.
func (s *stream) mustFlush(head *downstreamHead) bool {
	pending, complete := s.enc.Out.Pending()
	return !complete || pending > 0 && head.header.Get("Content-Length") == ""
}

// awaitHead waits for the head of the answer; nil means the stream was reset before.
func (s *stream) awaitHead() *downstreamHead {
	s.worker.Mu.Lock()
	defer s.worker.Mu.Unlock()
	for s.down == nil && !s.reset {
		s.signal.Wait()
	}
	return s.down
}

func (s *stream) writeTrailers(w http.ResponseWriter) {
	trailers := s.enc.Out.Trailers()
	if trailers == nil {
		return
	}
	for _, p := range trailers.Pairs {
		w.Header().Add(http.TrailerPrefix+p.Name, p.Value)
	}
}

// serveTunnel switches protocols and carries bytes both ways through the filter.
func (s *stream) serveTunnel(head *downstreamHead, control *http.ResponseController) bool {
	conn, buffered, err := control.Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := writeSwitch(conn, head); err != nil {
		return true
	}
	var sides sync.WaitGroup
	sides.Go(s.copyToUpstream)
	sides.Go(func() { s.readTunnel(buffered.Reader) })
	for {
		b, end, cut := s.enc.Out.Take()
		if _, err := conn.Write(b); err != nil || end || cut {
			break
		}
	}
	s.worker.Do(s.end)
	conn.Close()
	sides.Wait()
	return true
}

func writeSwitch(conn net.Conn, head *downstreamHead) error {
	b := bufio.NewWriter(conn)
	fmt.Fprintf(b, "HTTP/1.1 %d %s\r\n", head.status, http.StatusText(head.status))
	if err := head.header.Write(b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	return b.Flush()
}

// readTunnel feeds what the client sends to the filter.
func (s *stream) readTunnel(from io.Reader) {
	p := &flow.Source{Into: &s.dec, From: from, Count: &s.received, Trailers: func() *header.Map { return nil }}
	if err := p.Pump(); err != nil {
		s.worker.Do(func() {
			if !s.ended {
				s.resetStream()
			}
		})
	}
}

// copyToUpstream sends what passed the filter on to the upstream.
func (s *stream) copyToUpstream() {
	for {
		b, end, cut := s.dec.Out.Take()
		if _, err := s.tunnel.Write(b); err != nil || end || cut {
			s.tunnel.Close()
			return
		}
	}
}
