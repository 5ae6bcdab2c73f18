package hostsim

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/header"
)

// grpcCallout is a gRPC callout of a root context: a call, which has one message each
// way, or a stream.
type grpcCallout struct {
	token  uint32
	stream bool
	cancel context.CancelCauseFunc
	send   *messageQueue
	// A stream is forgotten when both sides have closed it.
	localClosed, remoteClosed bool

	// While a callback runs that tells of it:
	message           string
	initial, trailing *header.Map
}

// The low bits of a token say what it is of.
const (
	tokenKind   = 3
	callToken   = 1
	streamToken = 2
)

// grpcEnd is how a callout ended, as a status of google.rpc.Code.
type grpcEnd struct {
	code    uint32
	message string
}

// grpcService finds the cluster: by name, or in envoy.config.core.v3.GrpcService, whose
// field 1 is EnvoyGrpc with the name in field 1.
func (v *vm) grpcService(text string) *cluster {
	if fields, valid := messageFields(text); valid {
		if envoy, valid := messageFields(string(fields[1])); valid && len(envoy[1]) > 0 {
			text = string(envoy[1])
		}
	}
	return v.host.clusters[text]
}

func grpcCall(v *vm, a []uint64) abi.Status {
	return v.startGRPC(a, false)
}

func grpcStream(v *vm, a []uint64) abi.Status {
	return v.startGRPC(a, true)
}

func (v *vm) startGRPC(a []uint64, stream bool) abi.Status {
	service, found1 := v.mem.text(a[0], a[1])
	name, found2 := v.mem.text(a[2], a[3])
	method, found3 := v.mem.text(a[4], a[5])
	metadata, found4 := v.mem.text(a[6], a[7])
	tokenAt, message, timeout, found5 := a[8], "", time.Duration(0), true
	if !stream {
		message, found5 = v.mem.text(a[8], a[9])
		timeout, tokenAt = time.Duration(uint32(a[10]))*time.Millisecond, a[11]
	}
	if !found1 || !found2 || !found3 || !found4 || !found5 || !v.mem.put32(tokenAt, 0) {
		return abi.InvalidMemoryAccess
	}
	c := v.grpcService(service)
	if c == nil {
		return abi.ParseFailure
	}
	root := v.inEffect().root
	v.lastCall++
	ctx, cancel := context.WithCancelCause(context.Background())
	g := &grpcCallout{token: v.lastCall<<2 | callToken, stream: stream, cancel: cancel, send: newMessageQueue()}
	if stream {
		g.token = v.lastCall<<2 | streamToken
	} else {
		g.send.put(message)
		g.send.close()
	}
	root.grpc[g.token] = g
	req := grpcRequest(ctx, c, "/"+name+"/"+method, g.send, abi.UnmarshalPairs([]byte(metadata)), timeout)
	var timer clock.Timer
	if timeout > 0 {
		timer = v.host.cfg.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	}
	v.host.running.Go(func() {
		end := v.exchangeGRPC(root, g, c, req)
		cancel(nil)
		if timer != nil {
			timer.Stop()
		}
		v.worker.do(func() { v.endGRPC(root, g, end) })
	})
	return wrote(v.mem.put32(tokenAt, g.token))
}

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

// errMessages is an answer that is no gRPC.
var errMessages = errors.New("hostsim: the answer is no gRPC")

// exchangeGRPC sends the request and tells the guest what comes, message by message.
func (v *vm) exchangeGRPC(root *guestContext, g *grpcCallout, c *cluster, req *http.Request) grpcEnd {
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
	if g.stream {
		v.worker.do(func() {
			g.initial = responseMap(resp)
			v.enterGRPC(root, g, v.exports.grpcInitial, len(g.initial.Pairs))
			g.initial = nil
		})
	}
	last, received := "", false
	for {
		message, err := readMessage(resp.Body, v.host.cfg.CalloutLimit)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return grpcFailure(errors.Join(err, context.Cause(req.Context())))
		}
		last, received = message, true
		if g.stream {
			v.worker.do(func() { v.receiveGRPC(root, g, message) })
		}
	}
	end, _ := grpcStatusIn(resp.Trailer)
	switch {
	case g.stream:
		v.worker.do(func() {
			g.trailing = &header.Map{}
			g.trailing.AddHTTP(resp.Trailer)
			v.enterGRPC(root, g, v.exports.grpcTrailing, len(g.trailing.Pairs))
			g.trailing = nil
		})
	case end.code == 0 && !received:
		return grpcEnd{grpcInternal, ""}
	case end.code == 0:
		v.worker.do(func() { v.receiveGRPC(root, g, last) })
	}
	return end
}

func (v *vm) receiveGRPC(root *guestContext, g *grpcCallout, message string) {
	g.message = message
	v.enterGRPC(root, g, v.exports.grpcReceive, len(message))
	g.message = ""
}

// enterGRPC tells the guest of a callout that it has not cancelled.
func (v *vm) enterGRPC(root *guestContext, g *grpcCallout, fn api.Function, n int) {
	if root.grpc[g.token] != g {
		return
	}
	root.telling = g
	v.enter(root, fn, uint64(root.id), uint64(g.token), uint64(n))
	root.telling = nil
}

// endGRPC tells the guest that a stream has ended, or a call has failed.
func (v *vm) endGRPC(root *guestContext, g *grpcCallout, end grpcEnd) {
	if root.grpc[g.token] != g {
		return
	}
	if g.stream || end.code != 0 {
		root.statusCode, root.statusMessage = end.code, end.message
		v.enter(root, v.exports.grpcClose, uint64(root.id), uint64(g.token), uint64(end.code))
		root.statusMessage = ""
	}
	g.remoteClosed = true
	if !g.stream || g.localClosed {
		delete(root.grpc, g.token)
	}
}

func grpcSend(v *vm, a []uint64) abi.Status {
	message, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	g := v.inEffect().root.grpc[uint32(a[0])]
	switch {
	case uint32(a[0])&tokenKind != streamToken:
		return abi.BadArgument
	case g == nil:
		return abi.NotFound
	}
	g.send.put(message)
	if a[3] != 0 {
		g.send.close()
	}
	return abi.OK
}

func grpcClose(v *vm, a []uint64) abi.Status {
	root := v.inEffect().root
	g := root.grpc[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	if !g.stream {
		return grpcCancel(v, a)
	}
	g.send.close()
	if g.localClosed = true; g.remoteClosed {
		delete(root.grpc, g.token)
	}
	return abi.OK
}

func grpcCancel(v *vm, a []uint64) abi.Status {
	root := v.inEffect().root
	g := root.grpc[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	delete(root.grpc, g.token)
	g.send.close()
	g.cancel(context.Canceled)
	return abi.OK
}

// readMessage reads one length-prefixed message (gRPC over HTTP/2, "Requests").
func readMessage(r io.Reader, limit int) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || int64(size) > int64(limit) {
		return "", errMessages
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(b), nil
}

// grpcStatusIn reads grpc-status and grpc-message; without the first the status is
// unknown.
func grpcStatusIn(h http.Header) (end grpcEnd, found bool) {
	text := h.Get("grpc-status")
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return grpcEnd{code: grpcUnknown}, false
	}
	return grpcEnd{uint32(code), detailed(h.Get("grpc-message"), viaUpstream)}, true
}

// viaUpstream is Envoy's word for an answer that came from the upstream.
const viaUpstream = "via_upstream"

// detailed is the message as Envoy gives it: not decoded, with what else is known.
func detailed(message, details string) string {
	if message == "" {
		return details
	}
	return message + "{" + details + "}"
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
