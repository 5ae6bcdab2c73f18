package callout

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
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/upstream"
)

// GRPC is a gRPC callout of a root context: a call, with one message in each direction, or a
// stream.
type GRPC struct {
	Token  uint32
	Stream bool
	Cancel context.CancelCauseFunc
	Send   *grpc.Queue
	// A stream ends when both the guest and the upstream have closed it.
	LocalClosed, RemoteClosed bool

	// Set during the callback that reports them:
	Message           string
	Initial, Trailing *header.Map
}

// End cancels the request.
func (g *GRPC) End() {
	g.Send.Close()
	g.Cancel(context.Canceled)
}

// The low bits of a token are the kind of callout.
const (
	TokenKind   = 3
	CallToken   = 1
	StreamToken = 2
)

// NewGRPCRequest returns the request that Envoy's gRPC client sends. A timeout of 0 is none.
func NewGRPCRequest(ctx context.Context, c *upstream.Cluster, path string, body io.Reader, metadata []abi.Pair, timeout time.Duration) *http.Request {
	req := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: c.Address, Path: path}, Host: c.Name,
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

// GRPCHandler receives the response of a gRPC callout, one call at a time.
type GRPCHandler interface {
	InitialMetadata(m *header.Map)
	Message(text string)
	TrailingMetadata(m *header.Map)
}

// ExchangeGRPC sends the request and passes the response to h as it arrives: the metadata and
// each message of a stream, or the single message of a call that succeeded. It returns the
// status of the callout. limit is the size of a message at most, in bytes.
func ExchangeGRPC(c *upstream.Cluster, req *http.Request, stream bool, limit int, h GRPCHandler) grpc.Status {
	resp, err := c.GRPC.RoundTrip(req)
	if err != nil {
		return grpcFailure(errors.Join(err, context.Cause(req.Context())))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return grpc.Status{Code: uint32(grpc.CodeOf(resp.StatusCode)), Message: grpc.WithDetails("", grpc.ViaUpstream)}
	}
	if end, only := grpc.StatusIn(resp.Header); only {
		return end
	}
	if stream {
		h.InitialMetadata(upstream.Response(resp))
	}
	last, received := "", false
	err = readMessages(resp.Body, limit, func(message string) {
		last, received = message, true
		if stream {
			h.Message(message)
		}
	})
	if err != nil {
		return grpcFailure(errors.Join(err, context.Cause(req.Context())))
	}
	end, _ := grpc.StatusIn(resp.Trailer)
	switch {
	case stream:
		trailing := &header.Map{}
		trailing.AddHTTP(resp.Trailer)
		h.TrailingMetadata(trailing)
	case end.Code == 0 && !received:
		return grpc.Status{Code: grpc.Internal}
	case end.Code == 0:
		h.Message(last)
	}
	return end
}

// readMessages calls f for each message until the end of the body.
func readMessages(body io.Reader, limit int, f func(message string)) error {
	for {
		message, err := grpc.ReadMessage(body, limit)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f(message)
	}
}

// grpcFailure returns the status of a callout that got no response, or a part of one.
func grpcFailure(err error) grpc.Status {
	status, text, reason := upstream.Failure(err)
	details := "upstream_reset_before_response_started{" + strings.ReplaceAll(reason, " ", "_")
	var number syscall.Errno
	if errors.As(err, &number) {
		text := number.Error()
		details += "|delayed_connect_error:_" + strings.ReplaceAll(strings.ToUpper(text[:1])+text[1:], " ", "_")
	}
	if details += "}"; status == http.StatusGatewayTimeout {
		details = "response_timeout"
	}
	return grpc.Status{Code: grpc.Unavailable, Message: grpc.WithDetails(text, details)}
}
