package hostsim

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
)

// calloutResponse is what proxy_on_http_call_response finds.
type calloutResponse struct {
	headers, trailers *header.Map
	body              []byte
}

func (r *calloutResponse) headerMap(kind uint32) *header.Map {
	switch {
	case r == nil:
		return nil
	case kind == abi.CalloutHeaders:
		return r.headers
	}
	return r.trailers
}

// calloutRequest is the request as Envoy's HTTP client sends it.
func calloutRequest(ctx context.Context, c *cluster, m *header.Map, body string, trailers []abi.Pair, timeout time.Duration) (*http.Request, error) {
	m.Set("x-envoy-internal", "true")
	if timeout > 0 {
		m.Set("x-envoy-expected-rq-timeout-ms", strconv.FormatInt(timeout.Milliseconds(), 10))
	}
	m.Remove("content-length")
	m.Remove("x-envoy-retry-on") // Envoy's router takes them, for a cluster of several hosts
	m.Remove("x-envoy-max-retries")
	req := c.request(ctx, m, false)
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

// exchangeWithFault is exchange with the fault f, or without one if f is nil. over is
// closed when the stream that made the callout ends; it is nil if no stream made it.
func exchangeWithFault(req *http.Request, c *cluster, limit int, f *fault.Fault, clk clock.Clock, over <-chan struct{}) *calloutResponse {
	if f == nil {
		return exchange(req, c, limit)
	}
	gone := req.Context().Done()
	switch f.Do {
	case fault.Refuse:
		return failedCallout(&net.OpError{Op: "dial", Err: fault.ErrTrap})
	case fault.Delay:
		due := make(chan struct{})
		timer := clk.AfterFunc(f.By, func() { close(due) })
		select {
		case <-due:
		case <-gone:
			timer.Stop()
		}
	}
	r := exchange(req, c, limit)
	switch {
	case f.Do == fault.Reset:
		return nil
	case f.Do == fault.Late && over != nil:
		select {
		case <-over:
		case <-gone:
			return failedCallout(context.Cause(req.Context()))
		}
	}
	return r
}

// exchange sends the request and gathers the answer. Time-out and connection
// failures are answers of their own; nil is an answer that broke off after its
// headers, or grew over the limit.
func exchange(req *http.Request, c *cluster, limit int) *calloutResponse {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return failedCallout(errors.Join(err, context.Cause(req.Context())))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil || len(body) > limit {
		return nil
	}
	r := &calloutResponse{headers: responseMap(resp), body: body}
	if len(resp.Trailer) > 0 {
		r.trailers = &header.Map{}
		r.trailers.AddHTTP(resp.Trailer)
	}
	return r
}

// failedCallout is the answer that Envoy makes up for a callout that got none.
func failedCallout(err error) *calloutResponse {
	status, text, _ := upstreamFailure(err)
	m := header.NewResponse()
	m.Add(":status", strconv.Itoa(status))
	m.Add("content-length", strconv.Itoa(len(text)))
	m.Add("content-type", "text/plain")
	return &calloutResponse{headers: m, body: []byte(text)}
}
