package hostcall

import (
	"context"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/upstream"
)

// httpCall starts an HTTP callout of the root context.
func (h *Host) httpCall(v *guest.VM, a []uint64) abi.Status {
	name, foundName := v.Memory.Text(a[0], a[1])
	headers, foundHeaders := v.Memory.Text(a[2], a[3])
	body, foundBody := v.Memory.Text(a[4], a[5])
	trailers, foundTrailers := v.Memory.Text(a[6], a[7])
	if !foundName || !foundHeaders || !foundBody || !foundTrailers || !v.Memory.PutUint32(a[9], 0) {
		return abi.InvalidMemoryAccess
	}
	timeout := time.Duration(int32(a[8])) * time.Millisecond
	cluster := h.Clusters[name]
	if timeout < 0 || cluster == nil {
		return abi.BadArgument
	}
	m := header.NewRequest()
	m.ReplaceAll(abi.UnmarshalPairs([]byte(headers)))
	for _, name := range []string{":path", ":method", ":authority"} {
		if _, found := m.Get(name); !found {
			return abi.BadArgument
		}
	}
	return h.dispatch(v, cluster, m, body, abi.UnmarshalPairs([]byte(trailers)), timeout, a[9])
}

// dispatch sends the callout and writes its token to tokenAt. The response comes in a
// callback of its own.
func (h *Host) dispatch(v *guest.VM, c *upstream.Cluster, m *header.Map, body string, trailers []abi.Pair, timeout time.Duration, tokenAt uint64) abi.Status {
	root := v.Effective().Root
	ctx, cancel := context.WithCancelCause(context.Background())
	req, err := callout.NewRequest(ctx, c, m, body, trailers, timeout)
	if err != nil {
		cancel(err)
		return abi.InternalFailure
	}
	var timer clock.Timer
	if timeout > 0 {
		timer = h.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	}
	token := v.NextCallout()
	root.Callouts.HTTP[token] = cancel
	f := h.Faults.Load().NextCallout(c.Name, m.Value(":path"))
	var streamEnded <-chan struct{}
	if f := v.Effective().Filter; f != nil {
		streamEnded = f.Ended()
	}
	h.Running.Go(func() {
		response := callout.Exchange(req, c, h.CalloutLimit, f, h.Clock, streamEnded)
		cancel(nil)
		if timer != nil {
			timer.Stop()
		}
		v.Thread.Do(func() { finishCall(v, root, token, response) })
	})
	return written(v.Memory.PutUint32(tokenAt, token))
}

// finishCall passes the response to the guest, unless the callout was cancelled. r is nil if
// the response was cut off.
func finishCall(v *guest.VM, root *guest.Context, token uint32, r *callout.Response) {
	if root.Callouts.HTTP[token] == nil {
		return
	}
	delete(root.Callouts.HTTP, token)
	var headers, body, trailers int
	if r != nil {
		headers, body = len(r.Headers.Pairs), len(r.Body)
		if r.Trailers != nil {
			trailers = len(r.Trailers.Pairs)
		}
	} else {
		const brokenConnection = 11
		root.Callouts.StatusCode, root.Callouts.StatusMessage = brokenConnection, "reset"
	}
	root.Callouts.Response = r
	v.Callback(root, v.Exports.CalloutResponse, uint64(root.ID), uint64(token), uint64(headers), uint64(body), uint64(trailers))
	root.Callouts.Response, root.Callouts.StatusMessage = nil, ""
}
