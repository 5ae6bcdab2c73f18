package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
)

// The methods of a filter that host calls use: see streamFilter.

// LiveMap: a map is live in its own callback, and after it while the stream stays paused
// there; continuing either direction ends that of the request's maps.
func (f *filter) LiveMap(kind uint32) *header.Map {
	switch kind {
	case abi.RequestHeaders:
		return f.dec.LiveHeaders()
	case abi.RequestTrailers:
		return f.dec.LiveTrailers()
	case abi.ResponseHeaders:
		return f.enc.LiveHeaders()
	case abi.ResponseTrailers:
		return f.enc.LiveTrailers()
	}
	return nil
}

// ReadableMap: the live map, and all of the stream's during proxy_on_log.
func (f *filter) ReadableMap(kind uint32) *header.Map {
	if s := f.s; s.logging {
		switch kind {
		case abi.RequestHeaders:
			return s.request
		case abi.ResponseHeaders:
			return s.response
		case abi.ResponseTrailers:
			return s.enc.Out.Trailers()
		}
		return nil
	}
	switch kind {
	case abi.RequestTrailers:
		return f.dec.ReadableTrailers()
	case abi.ResponseTrailers:
		return f.enc.ReadableTrailers()
	}
	return f.LiveMap(kind)
}

func (f *filter) Body(kind uint32) *[]byte {
	if kind == abi.ResponseBody {
		return f.enc.Body()
	}
	return f.dec.Body()
}

func (f *filter) Logging() bool               { return f.s.logging }
func (f *filter) SetState(name, value string) { f.s.filterState[name] = value }
func (f *filter) ClearRoute()                 { f.s.routed = false }
func (f *filter) Ended() <-chan struct{}      { return f.s.over }

func (f *filter) Resume(kind uint32) {
	h := &f.dec
	if kind == abi.ResponseStream {
		h = &f.enc
	}
	f.vm.Defer(h.Resume)
	f.dec.EndLive()
}

func (f *filter) Reset() {
	if f.s.details == "" {
		f.s.details = "wasm_close_stream"
	}
	f.vm.Defer(f.s.resetStream)
}

func (f *filter) Reply(r guest.LocalReply) {
	if f.replied {
		return
	}
	f.replied = true
	f.vm.Defer(func() { f.s.localReply(r) })
}
