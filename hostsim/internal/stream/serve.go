package stream

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cloakroom/hostsim/internal/flow"
	"cloakroom/hostsim/internal/header"
)

// Serve proxies one request. For a stream that is reset it panics with http.ErrAbortHandler,
// which closes the client's connection.
func (w *Worker) Serve(client http.ResponseWriter, r *http.Request) {
	var s *Stream
	w.Do(func() {
		s = newStream(w, r)
		s.begin()
	})
	control := http.NewResponseController(client)
	_ = control.EnableFullDuplex() // without it net/http reads the body first
	stopWatch := context.AfterFunc(r.Context(), func() { w.Do(s.resetStream) })
	pumped := s.pumpRequest()
	defer func() {
		stopWatch()
		w.Do(s.end)
		if s.unread() && control.SetReadDeadline(time.Unix(1, 0)) == nil {
			<-pumped
		}
	}()
	if !s.writeResponse(client, control) {
		panic(http.ErrAbortHandler)
	}
}

// unread reports whether the client may still be sending.
func (s *Stream) unread() bool {
	s.worker.Mu.Lock()
	defer s.worker.Mu.Unlock()
	return !s.request.EndAtHeaders() && !s.request.Ended() && !s.upgrade
}

// pumpRequest passes the request's body to the filters. The channel is closed at its end.
func (s *Stream) pumpRequest() <-chan struct{} {
	done := make(chan struct{})
	if s.request.EndAtHeaders() || s.upgrade {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		p := &flow.Source{Into: &s.request, From: s.client.Body, Count: &s.received, Trailers: func() *header.Map {
			return s.trailerMap(s.client.ProtoMajor, s.client.Trailer)
		}}
		if err := p.Pump(); err != nil {
			s.worker.Do(func() {
				if !s.ended && s.downstream == nil {
					s.resetStream()
				}
			})
		}
	}()
	return done
}

// writeResponse writes the response as it arrives. It returns false if the stream was reset.
func (s *Stream) writeResponse(w http.ResponseWriter, control *http.ResponseController) bool {
	head := s.awaitHead()
	if head == nil {
		return false
	}
	if head.upgrade {
		return s.serveTunnel(head, control)
	}
	w.Header()["Content-Type"] = nil // keeps net/http from guessing one
	for name, values := range head.header {
		w.Header()[name] = values
	}
	if s.unread() {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(head.status)
	if s.mustFlush(head) {
		_ = control.Flush() // a writer without Flush sends the headers later
	}
	for {
		b, end, cut := s.response.Out.Take()
		if cut {
			return false
		}
		if len(b) > 0 {
			if _, err := w.Write(b); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
				return true // the client has disconnected
			}
		}
		if end && s.response.Out.Drained() {
			s.writeTrailers(w)
			return true
		}
		_ = control.Flush()
	}
}

// mustFlush reports whether the headers must be sent before the body: the body is incomplete,
// or its length unknown.
func (s *Stream) mustFlush(head *responseHead) bool {
	pending, complete := s.response.Out.Pending()
	return !complete || pending > 0 && head.header.Get("Content-Length") == ""
}

// awaitHead waits for the response's headers. It returns nil if the stream was reset before.
func (s *Stream) awaitHead() *responseHead {
	s.worker.Mu.Lock()
	defer s.worker.Mu.Unlock()
	for s.downstream == nil && !s.reset {
		s.signal.Wait()
	}
	return s.downstream
}

// writeTrailers writes the response's trailers, if it has any.
func (s *Stream) writeTrailers(w http.ResponseWriter) {
	trailers := s.response.Out.Trailers()
	if trailers == nil {
		return
	}
	for _, p := range trailers.Pairs {
		w.Header().Add(http.TrailerPrefix+p.Name, p.Value)
	}
}
