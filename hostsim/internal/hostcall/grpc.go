package hostcall

import (
	"context"
	"net/http"
	"time"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/protobuf"
	"cloakroom/hostsim/internal/upstream"
)

// grpcService returns the cluster that service names: directly, or as an
// envoy.config.core.v3.GrpcService, whose field 1 is an EnvoyGrpc with the name in field 1. It
// returns nil if there is no such cluster.
func (h *Host) grpcService(service string) *upstream.Cluster {
	if fields, valid := protobuf.LengthDelimited(service); valid {
		if envoy, valid := protobuf.LengthDelimited(string(fields[1])); valid && len(envoy[1]) > 0 {
			service = string(envoy[1])
		}
	}
	return h.Clusters[service]
}

func (h *Host) grpcCall(v *guest.VM, a []uint64) abi.Status {
	return h.startGRPC(v, a, false)
}

func (h *Host) grpcStream(v *guest.VM, a []uint64) abi.Status {
	return h.startGRPC(v, a, true)
}

// startGRPC starts a gRPC callout of the root context and writes its token to the last
// argument.
func (h *Host) startGRPC(v *guest.VM, a []uint64, stream bool) abi.Status {
	service, foundService := v.Memory.Text(a[0], a[1])
	name, foundName := v.Memory.Text(a[2], a[3])
	method, foundMethod := v.Memory.Text(a[4], a[5])
	metadata, foundMetadata := v.Memory.Text(a[6], a[7])
	tokenAt, message, timeout, foundMessage := a[8], "", time.Duration(0), true
	if !stream {
		message, foundMessage = v.Memory.Text(a[8], a[9])
		timeout, tokenAt = time.Duration(uint32(a[10]))*time.Millisecond, a[11]
	}
	found := foundService && foundName && foundMethod && foundMetadata && foundMessage
	if !found || !v.Memory.PutUint32(tokenAt, 0) {
		return abi.InvalidMemoryAccess
	}
	c := h.grpcService(service)
	if c == nil {
		return abi.ParseFailure
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	number := v.NextCallout()
	g := &callout.GRPC{Token: number<<2 | callout.CallToken, Stream: stream, Cancel: cancel, Send: grpc.NewQueue()}
	if stream {
		g.Token = number<<2 | callout.StreamToken
	} else {
		g.Send.Put(message)
		g.Send.Close()
	}
	req := callout.NewGRPCRequest(ctx, c, "/"+name+"/"+method, g.Send, abi.UnmarshalPairs([]byte(metadata)), timeout)
	h.runGRPC(v, g, c, req, timeout)
	return written(v.Memory.PutUint32(tokenAt, g.Token))
}

// runGRPC sends the request of a callout and calls the callbacks about the response.
func (h *Host) runGRPC(v *guest.VM, g *callout.GRPC, c *upstream.Cluster, req *http.Request, timeout time.Duration) {
	root := v.Effective().Root
	root.Callouts.GRPC[g.Token] = g
	var timer clock.Timer
	if timeout > 0 {
		timer = h.Clock.AfterFunc(timeout, func() { g.Cancel(context.DeadlineExceeded) })
	}
	h.Running.Go(func() {
		status := callout.ExchangeGRPC(c, req, g.Stream, h.CalloutLimit, &grpcEvents{v, root, g})
		g.Cancel(nil)
		if timer != nil {
			timer.Stop()
		}
		v.Thread.Do(func() { endGRPC(v, root, g, status) })
	})
}

// grpcEvents calls the callbacks of one gRPC callout.
type grpcEvents struct {
	v    *guest.VM
	root *guest.Context
	g    *callout.GRPC
}

func (e *grpcEvents) InitialMetadata(m *header.Map) {
	e.v.Thread.Do(func() {
		e.g.Initial = m
		e.callback(e.v.Exports.GRPCInitial, len(m.Pairs))
		e.g.Initial = nil
	})
}

func (e *grpcEvents) Message(text string) {
	e.v.Thread.Do(func() {
		e.g.Message = text
		e.callback(e.v.Exports.GRPCReceive, len(text))
		e.g.Message = ""
	})
}

func (e *grpcEvents) TrailingMetadata(m *header.Map) {
	e.v.Thread.Do(func() {
		e.g.Trailing = m
		e.callback(e.v.Exports.GRPCTrailing, len(m.Pairs))
		e.g.Trailing = nil
	})
}

// callback calls a callback, unless the guest has cancelled the callout.
func (e *grpcEvents) callback(fn api.Function, n int) {
	state := e.root.Callouts
	if state.GRPC[e.g.Token] != e.g {
		return
	}
	state.Event = e.g
	e.v.Callback(e.root, fn, uint64(e.root.ID), uint64(e.g.Token), uint64(n))
	state.Event = nil
}

// endGRPC calls proxy_on_grpc_close if a stream has ended or a call has failed.
func endGRPC(v *guest.VM, root *guest.Context, g *callout.GRPC, status grpc.Status) {
	if root.Callouts.GRPC[g.Token] != g {
		return
	}
	if g.Stream || status.Code != 0 {
		root.Callouts.StatusCode, root.Callouts.StatusMessage = status.Code, status.Message
		v.Callback(root, v.Exports.GRPCClose, uint64(root.ID), uint64(g.Token), uint64(status.Code))
		root.Callouts.StatusMessage = ""
	}
	g.RemoteClosed = true
	if !g.Stream || g.LocalClosed {
		delete(root.Callouts.GRPC, g.Token)
	}
}

func grpcSend(v *guest.VM, a []uint64) abi.Status {
	message, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	g := v.Effective().Root.Callouts.GRPC[uint32(a[0])]
	switch {
	case uint32(a[0])&callout.TokenKind != callout.StreamToken:
		return abi.BadArgument
	case g == nil:
		return abi.NotFound
	}
	g.Send.Put(message)
	if a[3] != 0 {
		g.Send.Close()
	}
	return abi.OK
}

func grpcClose(v *guest.VM, a []uint64) abi.Status {
	root := v.Effective().Root
	g := root.Callouts.GRPC[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	if !g.Stream {
		return grpcCancel(v, a)
	}
	g.Send.Close()
	if g.LocalClosed = true; g.RemoteClosed {
		delete(root.Callouts.GRPC, g.Token)
	}
	return abi.OK
}

func grpcCancel(v *guest.VM, a []uint64) abi.Status {
	root := v.Effective().Root
	g := root.Callouts.GRPC[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	delete(root.Callouts.GRPC, g.Token)
	g.End()
	return abi.OK
}
