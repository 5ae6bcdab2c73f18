package hostsim

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/header"
)

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
	root.callouts.grpc[g.token] = g
	req := grpcRequest(ctx, c, "/"+name+"/"+method, g.send, abi.UnmarshalPairs([]byte(metadata)), timeout)
	var timer clock.Timer
	if timeout > 0 {
		timer = v.host.cfg.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	}
	v.host.running.Go(func() {
		end := exchangeGRPC(c, req, stream, v.host.cfg.CalloutLimit, &grpcEvents{v, root, g})
		cancel(nil)
		if timer != nil {
			timer.Stop()
		}
		v.worker.do(func() { v.endGRPC(root, g, end) })
	})
	return wrote(v.mem.put32(tokenAt, g.token))
}

// grpcEvents runs the callbacks of one gRPC callout.
type grpcEvents struct {
	v    *vm
	root *guestContext
	g    *grpcCallout
}

func (e *grpcEvents) initialMetadata(m *header.Map) {
	e.v.worker.do(func() {
		e.g.initial = m
		e.enter(e.v.exports.grpcInitial, len(m.Pairs))
		e.g.initial = nil
	})
}

func (e *grpcEvents) message(text string) {
	e.v.worker.do(func() {
		e.g.message = text
		e.enter(e.v.exports.grpcReceive, len(text))
		e.g.message = ""
	})
}

func (e *grpcEvents) trailingMetadata(m *header.Map) {
	e.v.worker.do(func() {
		e.g.trailing = m
		e.enter(e.v.exports.grpcTrailing, len(m.Pairs))
		e.g.trailing = nil
	})
}

// enter runs a callback, unless the guest has cancelled the callout.
func (e *grpcEvents) enter(fn api.Function, n int) {
	state := e.root.callouts
	if state.grpc[e.g.token] != e.g {
		return
	}
	state.event = e.g
	e.v.enter(e.root, fn, uint64(e.root.id), uint64(e.g.token), uint64(n))
	state.event = nil
}

// endGRPC tells the guest that a stream has ended, or a call has failed.
func (v *vm) endGRPC(root *guestContext, g *grpcCallout, end grpcEnd) {
	if root.callouts.grpc[g.token] != g {
		return
	}
	if g.stream || end.code != 0 {
		root.callouts.statusCode, root.callouts.statusMessage = end.code, end.message
		v.enter(root, v.exports.grpcClose, uint64(root.id), uint64(g.token), uint64(end.code))
		root.callouts.statusMessage = ""
	}
	g.remoteClosed = true
	if !g.stream || g.localClosed {
		delete(root.callouts.grpc, g.token)
	}
}

func grpcSend(v *vm, a []uint64) abi.Status {
	message, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	g := v.inEffect().root.callouts.grpc[uint32(a[0])]
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
	g := root.callouts.grpc[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	if !g.stream {
		return grpcCancel(v, a)
	}
	g.send.close()
	if g.localClosed = true; g.remoteClosed {
		delete(root.callouts.grpc, g.token)
	}
	return abi.OK
}

func grpcCancel(v *vm, a []uint64) abi.Status {
	root := v.inEffect().root
	g := root.callouts.grpc[uint32(a[0])]
	if g == nil {
		return abi.NotFound
	}
	delete(root.callouts.grpc, g.token)
	g.end()
	return abi.OK
}
