package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// The methods of a filter that host calls use: see streamFilter.

// liveMap: a map is live in its own callback, and after it while the stream stays paused
// there; continuing either direction ends that of the request's maps.
func (f *filter) liveMap(kind uint32) *header.Map {
	switch kind {
	case abi.RequestHeaders:
		return f.dec.live
	case abi.RequestTrailers:
		return f.dec.liveTrailers()
	case abi.ResponseHeaders:
		return f.enc.live
	case abi.ResponseTrailers:
		return f.enc.liveTrailers()
	}
	return nil
}

// readableMap: the live map, and all of the stream's during proxy_on_log.
func (f *filter) readableMap(kind uint32) *header.Map {
	if s := f.s; s.logging {
		switch kind {
		case abi.RequestHeaders:
			return s.request
		case abi.ResponseHeaders:
			return s.response
		case abi.ResponseTrailers:
			return s.enc.out.trailers
		}
		return nil
	}
	switch kind {
	case abi.RequestTrailers:
		return f.dec.shownTrailers
	case abi.ResponseTrailers:
		return f.enc.shownTrailers
	}
	return f.liveMap(kind)
}

func (f *filter) body(kind uint32) *[]byte {
	if kind == abi.ResponseBody {
		return f.enc.body
	}
	return f.dec.body
}

func (f *filter) logging() bool               { return f.s.logging }
func (f *filter) setState(name, value string) { f.s.filterState[name] = value }
func (f *filter) clearRoute()                 { f.s.routed = false }
func (f *filter) ended() <-chan struct{}      { return f.s.over }

func (f *filter) resume(kind uint32) {
	h := &f.dec
	if kind == abi.ResponseStream {
		h = &f.enc
	}
	f.vm.afterCall = append(f.vm.afterCall, h.resume)
	f.dec.live, f.dec.shownTrailers = nil, nil
}

func (f *filter) reset() {
	if f.s.details == "" {
		f.s.details = "wasm_close_stream"
	}
	f.vm.afterCall = append(f.vm.afterCall, f.s.resetStream)
}

func (f *filter) reply(r localReply) {
	if f.replied {
		return
	}
	f.replied = true
	f.vm.afterCall = append(f.vm.afterCall, func() { f.s.localReply(r) })
}
