package stream

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// LiveMap implements guest.Filter. A map is live during its own callback, and afterwards while
// the stream stays paused there.
func (f *Filter) LiveMap(kind uint32) *header.Map {
	switch kind {
	case abi.RequestHeaders:
		return f.request.LiveHeaders()
	case abi.RequestTrailers:
		return f.request.LiveTrailers()
	case abi.ResponseHeaders:
		return f.response.LiveHeaders()
	case abi.ResponseTrailers:
		return f.response.LiveTrailers()
	}
	return nil
}

// ReadableMap implements guest.Filter. A map is readable while it is live, and during
// proxy_on_log.
func (f *Filter) ReadableMap(kind uint32) *header.Map {
	if s := f.s; s.logging {
		switch kind {
		case abi.RequestHeaders:
			return s.requestHeaders
		case abi.ResponseHeaders:
			return s.responseHeaders
		case abi.ResponseTrailers:
			return s.response.Out.Trailers()
		}
		return nil
	}
	switch kind {
	case abi.RequestTrailers:
		return f.request.ReadableTrailers()
	case abi.ResponseTrailers:
		return f.response.ReadableTrailers()
	}
	return f.LiveMap(kind)
}

// Body implements guest.Filter.
func (f *Filter) Body(kind uint32) *[]byte {
	if kind == abi.ResponseBody {
		return f.response.Body()
	}
	return f.request.Body()
}

// Logging implements guest.Filter.
func (f *Filter) Logging() bool { return f.s.logging }

// SetState implements guest.Filter.
func (f *Filter) SetState(name, value string) { f.s.filterState[name] = value }

// ClearRoute implements guest.Filter.
func (f *Filter) ClearRoute() { f.s.routed = false }

// Ended implements guest.Filter.
func (f *Filter) Ended() <-chan struct{} { return f.s.done }

// Resume implements guest.Filter.
func (f *Filter) Resume(kind uint32) {
	h := &f.request
	if kind == abi.ResponseStream {
		h = &f.response
	}
	f.vm.Defer(h.Resume)
	f.request.EndLive()
}

// Reset implements guest.Filter.
func (f *Filter) Reset() {
	if f.s.details == "" {
		f.s.details = "wasm_close_stream"
	}
	f.vm.Defer(f.s.resetStream)
}

// Reply implements guest.Filter.
func (f *Filter) Reply(r guest.LocalReply) {
	if f.replied {
		return
	}
	f.replied = true
	f.vm.Defer(func() { f.s.reply(r) })
}
