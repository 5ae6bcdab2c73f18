package stream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/header"
)

// serveTunnel switches protocols and passes bytes in both directions through the filters. It
// returns false if the client's connection cannot be taken over.
func (s *Stream) serveTunnel(head *responseHead, control *http.ResponseController) bool {
	conn, buffered, err := control.Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := writeSwitch(conn, head); err != nil {
		return true
	}
	var copies sync.WaitGroup
	copies.Go(s.copyToUpstream)
	copies.Go(func() { s.readTunnel(buffered.Reader) })
	for {
		b, end, cut := s.response.Out.Take()
		if _, err := conn.Write(b); err != nil || end || cut {
			break
		}
	}
	s.worker.Do(s.end)
	conn.Close()
	copies.Wait()
	return true
}

// writeSwitch writes the response that switches protocols.
func writeSwitch(conn net.Conn, head *responseHead) error {
	b := bufio.NewWriter(conn)
	fmt.Fprintf(b, "HTTP/1.1 %d %s\r\n", head.status, http.StatusText(head.status))
	if err := head.header.Write(b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	return b.Flush()
}

// readTunnel passes what the client sends to the filters.
func (s *Stream) readTunnel(from io.Reader) {
	p := &flow.Source{Into: &s.request, From: from, Count: &s.received, Trailers: func() *header.Map { return nil }}
	if err := p.Pump(); err != nil {
		s.worker.Do(func() {
			if !s.ended {
				s.resetStream()
			}
		})
	}
}

// copyToUpstream sends what has passed the filters to the upstream.
func (s *Stream) copyToUpstream() {
	for {
		b, end, cut := s.request.Out.Take()
		if _, err := s.tunnel.Write(b); err != nil || end || cut {
			s.tunnel.Close()
			return
		}
	}
}
