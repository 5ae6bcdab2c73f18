package stream

import (
	"net/http"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/grpc"
	"cloakroom/hostsim/internal/guest"
)

// Envoy's local replies if a filter holds more than the buffer limit.
var (
	requestTooLarge = guest.LocalReply{Status: http.StatusRequestEntityTooLarge, Body: "Payload Too Large",
		Details: "request_payload_too_large", GRPC: grpc.NoCode}
	responseTooLarge = guest.LocalReply{Status: http.StatusInternalServerError, Body: "Internal Server Error",
		Details: "response_payload_too_large", GRPC: grpc.NoCode}
)

// Begun implements flow.Filter.
func (c *callbacks) Begun() bool { return c.f.begun() }

// OnHeaders implements flow.Filter.
func (c *callbacks) OnHeaders(count int, end bool) (uint32, bool) {
	return c.f.callback(c.headers, uint64(count), flag(end))
}

// OnBody implements flow.Filter.
func (c *callbacks) OnBody(size int, end bool) (uint32, bool) {
	return c.f.callback(c.body, uint64(size), flag(end))
}

// OnTrailers implements flow.Filter.
func (c *callbacks) OnTrailers(count int) (uint32, bool) {
	return c.f.callback(c.trailers, uint64(count))
}

// TooLarge implements flow.Filter.
func (c *callbacks) TooLarge() { c.f.s.reply(*c.tooLarge) }

// flag returns the ABI's form of a bool.
func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// newFilter returns the filter of a plugin on a stream, or nil if the stream passes without
// the plugin.
func newFilter(h *guest.Instance, s *Stream) *Filter {
	vm, root, bypass := h.ForStream()
	if bypass {
		return nil
	}
	f := &Filter{s: s, vm: vm, root: root}
	var e guest.Exports
	if f.vm != nil {
		e = f.vm.Exports
	}
	f.onRequest = callbacks{f, e.RequestHeaders, e.RequestBody, e.RequestTrailers, &requestTooLarge}
	f.onResponse = callbacks{f, e.ResponseHeaders, e.ResponseBody, e.ResponseTrailers, &responseTooLarge}
	f.request.Init(&f.onRequest, s.proxy.BufferLimit)
	f.response.Init(&f.onResponse, s.proxy.BufferLimit)
	return f
}

// begun reports whether the request's headers have reached the filter. The first call after
// that creates the guest's context.
func (f *Filter) begun() bool {
	if f.guest != nil || f.failed {
		return true
	}
	if !f.request.Arrived() {
		return false
	}
	if f.vm != nil && f.vm.Failed == nil {
		f.guest = f.vm.NewContext(f.root, f)
		f.vm.Callback(f.guest, f.vm.Exports.ContextCreate, uint64(f.guest.ID), uint64(f.root.ID))
	}
	return true
}

// callback calls one of the guest's callbacks; a guest without it continues. If the VM has
// failed, callback answers the stream with 503 and proceed is false. That does not depend on
// the failure policy, which is for streams that begin later.
func (f *Filter) callback(fn api.Function, args ...uint64) (action uint32, proceed bool) {
	if f.failed {
		return abi.Continue, true
	}
	if f.vm != nil && f.vm.Failed == nil {
		var replied bool
		if fn != nil {
			all := [4]uint64{uint64(f.guest.ID)}
			n := copy(all[1:], args)
			action, replied = f.vm.Callback(f.guest, fn, all[:1+n]...)
		}
		if f.vm.Failed == nil {
			if replied {
				return abi.StopNoBuffer, true
			}
			return action, true
		}
	}
	f.failed = true
	f.s.reply(guest.LocalReply{Status: 503, GRPC: grpc.Unavailable, Details: "wasm_fail_stream"})
	return abi.Continue, false
}

// log calls proxy_on_log.
func (f *Filter) log() {
	if f.guest != nil {
		f.vm.Callback(f.guest, f.vm.Exports.Log, uint64(f.guest.ID))
	}
}

// end calls the last callbacks and deletes the guest's context.
func (f *Filter) end() {
	if f.guest == nil {
		return
	}
	f.vm.Callback(f.guest, f.vm.Exports.Done, uint64(f.guest.ID))
	f.vm.Callback(f.guest, f.vm.Exports.Delete, uint64(f.guest.ID))
	f.vm.DeleteContext(f.guest)
}
