package hostsim

import (
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// liveMap is the header map that a host call may change: nil while it is not live.
// A map is live in its own callback and after it while the stream stays paused
// there; continuing either direction ends the request's.
func (v *vm) liveMap(kind uint32) *header.Map {
	f := v.inEffect().filter
	if f == nil {
		return nil
	}
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

// readableMap is the map that a host call may read: the live one, all of the
// stream's during proxy_on_log, and a callout's answer during its callback.
func (v *vm) readableMap(kind uint32) *header.Map {
	c := v.inEffect()
	if kind == abi.CalloutHeaders || kind == abi.CalloutTrailers {
		return c.root.callouts.Response.Map(kind)
	}
	if g := c.root.callouts.Event; g != nil && kind == abi.GRPCInitialMetadata {
		return g.Initial
	} else if g != nil && kind == abi.GRPCTrailingMetadata {
		return g.Trailing
	}
	f := c.filter
	if f == nil {
		return nil
	}
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
	return v.liveMap(kind)
}

// changedMap is called after a host call changed a map: a changed request is
// routed anew.
func (v *vm) changedMap(kind uint32) {
	if kind == abi.RequestHeaders {
		v.inEffect().filter.s.routed = false
	}
}

func getHeaderValue(v *vm, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	name, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := v.readableMap(kind)
	if m == nil {
		if f := v.inEffect().filter; f != nil && f.s.logging {
			return abi.NotFound
		}
		return abi.BadArgument
	}
	value, found := m.Get(strings.ToLower(name))
	if !found {
		return abi.NotFound
	}
	return v.give(value, a[3], a[4])
}

// changeHeader makes a host call that changes one header of a live map.
func changeHeader(change func(m *header.Map, name, value string)) func(*vm, []uint64) abi.Status {
	return func(v *vm, a []uint64) abi.Status {
		kind := uint32(a[0])
		if kind > abi.LastMap {
			return abi.BadArgument
		}
		name, foundName := v.mem.text(a[1], a[2])
		value, foundValue := v.mem.text(a[3], a[4])
		if !foundName || !foundValue {
			return abi.InvalidMemoryAccess
		}
		m := v.liveMap(kind)
		if m == nil {
			return abi.BadArgument
		}
		change(m, strings.ToLower(name), value)
		v.changedMap(kind)
		return abi.OK
	}
}

func removeHeader(v *vm, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	name, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := v.liveMap(kind)
	if m == nil {
		return abi.BadArgument
	}
	m.Remove(strings.ToLower(name))
	v.changedMap(kind)
	return abi.OK
}

// getHeaderPairs answers OK and nothing for a map that is not live.
func getHeaderPairs(v *vm, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	var b []byte
	if m := v.readableMap(kind); m != nil {
		b = abi.MarshalPairs(m.Pairs)
	}
	return v.give(string(b), a[1], a[2])
}

func setHeaderPairs(v *vm, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	b, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	m := v.liveMap(kind)
	if m == nil {
		return abi.BadArgument
	}
	m.ReplaceAll(abi.UnmarshalPairs([]byte(b)))
	v.changedMap(kind)
	return abi.OK
}

func getHeaderSize(v *vm, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastMap {
		return abi.BadArgument
	}
	m := v.liveMap(kind)
	if m == nil {
		return abi.BadArgument
	}
	return wrote(v.mem.put32(a[1], uint32(m.ByteSize())))
}
