package hostsim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// grpcCallout is a gRPC callout of a root context: a call, which has one message each
// way, or a stream.
type grpcCallout struct {
	token  uint32
	stream bool
	cancel context.CancelCauseFunc
	send   *messageQueue
	// A stream ends when both the guest and the upstream have closed it.
	localClosed, remoteClosed bool

	// What host calls read during a callback about it:
	message           string
	initial, trailing *header.Map
}

// end closes what the guest sends and cancels the request.
func (g *grpcCallout) end() {
	g.send.close()
	g.cancel(context.Canceled)
}

// The low bits of a token say what it is of.
const (
	tokenKind   = 3
	callToken   = 1
	streamToken = 2
)

// grpcRequest is the request as Envoy's gRPC client sends it.
func grpcRequest(ctx context.Context, c *cluster, path string, body io.Reader, metadata []abi.Pair, timeout time.Duration) *http.Request {
	req := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: c.address, Path: path}, Host: c.name,
		Header: http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": nil},
		Body:   io.NopCloser(body), ContentLength: -1,
	}
	req.Header.Set("x-envoy-internal", "true")
	if timeout > 0 {
		req.Header.Set("grpc-timeout", strconv.FormatInt(timeout.Milliseconds(), 10)+"m")
	}
	for _, p := range metadata {
		req.Header.Add(p.Name, p.Value)
	}
	return req.WithContext(ctx)
}

// grpcHandler receives what the upstream sends to a gRPC callout, one call at a time.
type grpcHandler interface {
	initialMetadata(m *header.Map)
	message(text string)
	trailingMetadata(m *header.Map)
}

// exchangeGRPC sends the request and passes the response to h as it arrives: metadata
// and each message of a stream, or the single message of a call that succeeded. It
// returns how the callout ended; limit is the size of a message, in bytes.
func exchangeGRPC(c *cluster, req *http.Request, stream bool, limit int, h grpcHandler) grpcEnd {
	resp, err := c.grpc.RoundTrip(req)
	if err != nil {
		return grpcFailure(errors.Join(err, context.Cause(req.Context())))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return grpcEnd{uint32(grpcStatusOf(resp.StatusCode)), detailed("", viaUpstream)}
	}
	if end, only := grpcStatusIn(resp.Header); only {
		return end
	}
	if stream {
		h.initialMetadata(responseMap(resp))
	}
	last, received := "", false
	for {
		message, err := readMessage(resp.Body, limit)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return grpcFailure(errors.Join(err, context.Cause(req.Context())))
		}
		last, received = message, true
		if stream {
			h.message(message)
		}
	}
	end, _ := grpcStatusIn(resp.Trailer)
	switch {
	case stream:
		trailing := &header.Map{}
		trailing.AddHTTP(resp.Trailer)
		h.trailingMetadata(trailing)
	case end.code == 0 && !received:
		return grpcEnd{grpcInternal, ""}
	case end.code == 0:
		h.message(last)
	}
	return end
}

// grpcFailure is the end of a callout that got no answer, or not all of one.
func grpcFailure(err error) grpcEnd {
	status, text, reason := upstreamFailure(err)
	details := "upstream_reset_before_response_started{" + strings.ReplaceAll(reason, " ", "_")
	var number syscall.Errno
	if errors.As(err, &number) {
		said := number.Error()
		details += "|delayed_connect_error:_" + strings.ReplaceAll(strings.ToUpper(said[:1])+said[1:], " ", "_")
	}
	if details += "}"; status == http.StatusGatewayTimeout {
		details = "response_timeout"
	}
	return grpcEnd{grpcUnavailable, detailed(text, details)}
}
