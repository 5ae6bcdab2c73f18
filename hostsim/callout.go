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

// httpCall starts a callout for the root of the context in effect.
func httpCall(v *vm, a []uint64) abi.Status {
	name, foundName := v.mem.text(a[0], a[1])
	headers, foundHeaders := v.mem.text(a[2], a[3])
	body, foundBody := v.mem.text(a[4], a[5])
	trailers, foundTrailers := v.mem.text(a[6], a[7])
	if !foundName || !foundHeaders || !foundBody || !foundTrailers || !v.mem.put32(a[9], 0) {
		return abi.InvalidMemoryAccess
	}
	timeout := time.Duration(int32(a[8])) * time.Millisecond
	cluster := v.host.clusters[name]
	if timeout < 0 || cluster == nil {
		return abi.BadArgument
	}
	m := header.NewRequest()
	m.ReplaceAll(abi.UnmarshalPairs([]byte(headers)))
	for _, needed := range []string{":path", ":method", ":authority"} {
		if _, found := m.Get(needed); !found {
			return abi.BadArgument
		}
	}
	return v.dispatch(cluster, m, body, abi.UnmarshalPairs([]byte(trailers)), timeout, a[9])
}

// dispatch sends the callout; its answer comes in an entry into the VM of its own.
func (v *vm) dispatch(c *cluster, m *header.Map, body string, trailers []abi.Pair, timeout time.Duration, tokenAt uint64) abi.Status {
	root := v.inEffect().root
	ctx, cancel := context.WithCancelCause(context.Background())
	req, err := calloutRequest(ctx, c, m, body, trailers, timeout)
	if err != nil {
		cancel(err)
		return abi.InternalFailure
	}
	var timer clock.Timer
	if timeout > 0 {
		timer = v.host.cfg.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	}
	v.lastCall++
	token := v.lastCall
	root.calls[token] = cancel
	f := v.host.faults.Load().NextCallout(c.name, m.Value(":path"))
	s := v.streamInEffect()
	v.host.running.Go(func() {
		response := v.host.exchange(req, c, f, s)
		cancel(nil)
		if timer != nil {
			timer.Stop()
		}
		v.worker.do(func() { v.finishCall(root, token, response) })
	})
	return wrote(v.mem.put32(tokenAt, token))
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

// exchange is the callout with the fault that it meets, if any; s is the stream that
// asked, or nil.
func (h *Host) exchange(req *http.Request, c *cluster, f *fault.Fault, s *stream) *calloutResponse {
	if f == nil {
		return exchange(req, c, h.cfg.CalloutLimit)
	}
	gone := req.Context().Done()
	switch f.Do {
	case fault.Refuse:
		return failedCallout(&net.OpError{Op: "dial", Err: fault.ErrTrap})
	case fault.Delay:
		over := make(chan struct{})
		timer := h.cfg.Clock.AfterFunc(f.By, func() { close(over) })
		select {
		case <-over:
		case <-gone:
			timer.Stop()
		}
	}
	r := exchange(req, c, h.cfg.CalloutLimit)
	switch {
	case f.Do == fault.Reset:
		return nil
	case f.Do == fault.Late && s != nil:
		select {
		case <-s.over:
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

// finishCall hands the answer to the guest, unless the root context has ended.
func (v *vm) finishCall(root *guestContext, token uint32, r *calloutResponse) {
	if root.calls[token] == nil {
		return
	}
	delete(root.calls, token)
	var headers, body, trailers int
	if r != nil {
		headers, body = len(r.headers.Pairs), len(r.body)
		if r.trailers != nil {
			trailers = len(r.trailers.Pairs)
		}
	} else {
		const brokenConnection = 11
		root.statusCode, root.statusMessage = brokenConnection, "reset"
	}
	root.response = r
	v.enter(root, v.exports.calloutResponse, uint64(root.id), uint64(token), uint64(headers), uint64(body), uint64(trailers))
	root.response, root.statusMessage = nil, ""
}
