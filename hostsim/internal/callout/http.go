package callout

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/upstream"
)

// Response is the response of an HTTP callout, during proxy_on_http_call_response. A nil
// Response has neither headers nor a body.
type Response struct {
	Headers, Trailers *header.Map
	Body              []byte
}

// Map returns the headers or the trailers, by a map type of the ABI, or nil.
func (r *Response) Map(kind uint32) *header.Map {
	switch {
	case r == nil:
		return nil
	case kind == abi.CalloutHeaders:
		return r.Headers
	}
	return r.Trailers
}

// NewRequest returns the request that Envoy's HTTP client sends. It changes m. A timeout of 0
// is none.
func NewRequest(ctx context.Context, c *upstream.Cluster, m *header.Map, body string, trailers []abi.Pair, timeout time.Duration) (*http.Request, error) {
	m.Set("x-envoy-internal", "true")
	if timeout > 0 {
		m.Set("x-envoy-expected-rq-timeout-ms", strconv.FormatInt(timeout.Milliseconds(), 10))
	}
	m.Remove("content-length")
	m.Remove("x-envoy-retry-on") // Envoy's router takes them, for a cluster of several hosts
	m.Remove("x-envoy-max-retries")
	req := c.Request(ctx, m, false)
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	if len(trailers) > 0 {
		req.ContentLength = -1
		req.Trailer = http.Header{}
		for _, p := range trailers {
			req.Trailer.Add(p.Name, p.Value)
		}
		if req.Body == nil {
			req.Body = io.NopCloser(strings.NewReader(""))
		}
	}
	return req, nil
}

// Exchange sends the request and returns the response, of at most limit bytes, with the
// fault f, if that is not nil. streamEnded is closed when the stream that made the callout
// ends; it is nil if no stream made it. See send.
func Exchange(req *http.Request, c *upstream.Cluster, limit int, f *fault.Fault, clk clock.Clock, streamEnded <-chan struct{}) *Response {
	if f == nil {
		return send(req, c, limit)
	}
	cancelled := req.Context().Done()
	switch f.Do {
	case fault.Refuse:
		return failed(&net.OpError{Op: "dial", Err: fault.ErrTrap})
	case fault.Delay:
		due := make(chan struct{})
		timer := clk.AfterFunc(f.By, func() { close(due) })
		select {
		case <-due:
		case <-cancelled:
			timer.Stop()
		}
	}
	r := send(req, c, limit)
	switch {
	case f.Do == fault.Reset:
		return nil
	case f.Do == fault.Late && streamEnded != nil:
		select {
		case <-streamEnded:
		case <-cancelled:
			return failed(context.Cause(req.Context()))
		}
	}
	return r
}

// send sends the request and returns the response. After a timeout or a connection failure
// that is Envoy's own response. It is nil if the response was cut off after its headers, or
// has a body of more than limit bytes.
func send(req *http.Request, c *upstream.Cluster, limit int) *Response {
	resp, err := c.HTTP.RoundTrip(req)
	if err != nil {
		return failed(errors.Join(err, context.Cause(req.Context())))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil || len(body) > limit {
		return nil
	}
	r := &Response{Headers: upstream.Response(resp), Body: body}
	if len(resp.Trailer) > 0 {
		r.Trailers = &header.Map{}
		r.Trailers.AddHTTP(resp.Trailer)
	}
	return r
}

// failed returns Envoy's own response for a callout that got none.
func failed(err error) *Response {
	status, text, _ := upstream.Failure(err)
	m := header.NewResponse()
	m.Add(":status", strconv.Itoa(status))
	m.Add("content-length", strconv.Itoa(len(text)))
	m.Add("content-type", "text/plain")
	return &Response{Headers: m, Body: []byte(text)}
}
