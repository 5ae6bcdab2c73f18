package hostsim

import (
	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/grpc"
)

// filter is one plugin on one stream. Its handle's VM may be replaced meanwhile;
// the stream keeps to the one it began with.
type filter struct {
	s       *stream
	plugin  *plugin
	vm      *vm // nil: there is none, and the plugin fails closed
	root    *guestContext
	guest   *guestContext // nil until the request's headers reach the filter
	dec     half
	enc     half
	replied bool // the guest has sent a local reply
	failed  bool // the answer to a failed VM has been sent
}

// newFilter puts a plugin on a stream. It gives nil where the plugin's VM has
// failed and its policy lets streams pass without it.
func (h *handle) newFilter(s *stream) *filter {
	f := &filter{s: s, plugin: h.plugin}
	if h.vm.failed != nil && h.plugin.FailurePolicy == failReload {
		h.reload()
	}
	switch {
	case h.vm.failed == nil:
		f.vm, f.root = h.vm, h.root
	case h.plugin.FailurePolicy == failOpen:
		return nil
	}
	var e exports
	if f.vm != nil {
		e = f.vm.exports
	}
	f.dec = half{f: f, d: &s.dec, onHeaders: e.requestHeaders, onBody: e.requestBody, onTrailers: e.requestTrailers,
		tooLarge: func() {
			s.localReply(localReply{status: 413, body: "Payload Too Large", details: "request_payload_too_large", grpc: grpc.NoCode})
		}}
	f.enc = half{f: f, d: &s.enc, onHeaders: e.responseHeaders, onBody: e.responseBody, onTrailers: e.responseTrailers,
		tooLarge: func() {
			s.localReply(localReply{status: 500, body: "Internal Server Error", details: "response_payload_too_large", grpc: grpc.NoCode})
		}}
	return f
}

// begun reports whether the filter takes part: it has seen the request's headers.
// Its first call, for them, makes the guest's context.
func (f *filter) begun() bool {
	if f.guest != nil || f.failed {
		return true
	}
	if f.dec.m == nil {
		return false
	}
	if f.vm != nil && f.vm.failed == nil {
		f.guest = f.vm.newContext(f.root, f)
		f.vm.enter(f.guest, f.vm.exports.contextCreate, uint64(f.guest.id), uint64(f.root.id))
	}
	return true
}

// callback runs one of the filter's callbacks. proceed is false where the VM has
// failed; the stream has its answer then, whatever the policy: failOpen is for streams
// that begin later. A callback that the guest does not have lets everything go on.
func (f *filter) callback(fn api.Function, args ...uint64) (action uint32, proceed bool) {
	if f.failed {
		return abi.Continue, true
	}
	if f.vm != nil && f.vm.failed == nil {
		var stopped bool
		if fn != nil {
			all := [4]uint64{uint64(f.guest.id)}
			n := copy(all[1:], args)
			action, stopped = f.vm.enter(f.guest, fn, all[:1+n]...)
		}
		if f.vm.failed == nil {
			if stopped {
				return abi.StopNoBuffer, true
			}
			return action, true
		}
	}
	f.failed = true
	f.s.localReply(localReply{status: 503, grpc: grpc.Unavailable, details: "wasm_fail_stream"})
	return abi.Continue, false
}

// log runs proxy_on_log.
func (f *filter) log() {
	if f.guest != nil {
		f.vm.enter(f.guest, f.vm.exports.log, uint64(f.guest.id))
	}
}

// forget runs the last callbacks and drops the guest's context.
func (f *filter) forget() {
	if f.guest == nil {
		return
	}
	f.vm.enter(f.guest, f.vm.exports.done, uint64(f.guest.id))
	f.vm.enter(f.guest, f.vm.exports.delete, uint64(f.guest.id))
	delete(f.vm.contexts, f.guest.id)
}
