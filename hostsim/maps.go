package hostsim

import "strings"

// liveMap is the header map that a host call may change: nil while it is not live.
// A map is live in its own callback and after it while the stream stays paused
// there; continuing either direction ends the request's.
func (v *vm) liveMap(kind uint32) *headerMap {
	f := v.inEffect().filter
	if f == nil {
		return nil
	}
	switch kind {
	case requestHeaders:
		return f.dec.live
	case requestTrailers:
		return f.dec.liveTrailers()
	case responseHeaders:
		return f.enc.live
	case responseTrailers:
		return f.enc.liveTrailers()
	}
	return nil
}

// readableMap is the map that a host call may read: the live one, all of the
// stream's during proxy_on_log, and a callout's answer during its callback.
func (v *vm) readableMap(kind uint32) *headerMap {
	c := v.inEffect()
	if kind == calloutHeaders || kind == calloutTrailers {
		return c.root.response.headerMap(kind)
	}
	if g := c.root.telling; g != nil && kind == grpcInitialMetadata {
		return g.initial
	} else if g != nil && kind == grpcTrailingMetadata {
		return g.trailing
	}
	f := c.filter
	if f == nil {
		return nil
	}
	if s := f.s; s.logging {
		switch kind {
		case requestHeaders:
			return s.request
		case responseHeaders:
			return s.response
		case responseTrailers:
			return s.enc.out.trailers
		}
		return nil
	}
	switch kind {
	case requestTrailers:
		return f.dec.shownTrailers
	case responseTrailers:
		return f.enc.shownTrailers
	}
	return v.liveMap(kind)
}

// changedMap is called after a host call changed a map: a changed request is
// routed anew.
func (v *vm) changedMap(kind uint32) {
	if kind == requestHeaders {
		v.inEffect().filter.s.routed = false
	}
}

func getHeaderValue(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastHeaderMap {
		return badArgument
	}
	name, found := v.mem.text(a[1], a[2])
	if !found {
		return invalidMemory
	}
	m := v.readableMap(kind)
	if m == nil {
		if f := v.inEffect().filter; f != nil && f.s.logging {
			return notFound
		}
		return badArgument
	}
	value, found := m.get(strings.ToLower(name))
	if !found {
		return notFound
	}
	return v.give(value, a[3], a[4])
}

// changeHeader makes a host call that changes one header of a live map.
func changeHeader(change func(m *headerMap, name, value string)) func(*vm, []uint64) status {
	return func(v *vm, a []uint64) status {
		kind := uint32(a[0])
		if kind > lastHeaderMap {
			return badArgument
		}
		name, foundName := v.mem.text(a[1], a[2])
		value, foundValue := v.mem.text(a[3], a[4])
		if !foundName || !foundValue {
			return invalidMemory
		}
		m := v.liveMap(kind)
		if m == nil {
			return badArgument
		}
		change(m, strings.ToLower(name), value)
		v.changedMap(kind)
		return ok
	}
}

func removeHeader(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastHeaderMap {
		return badArgument
	}
	name, found := v.mem.text(a[1], a[2])
	if !found {
		return invalidMemory
	}
	m := v.liveMap(kind)
	if m == nil {
		return badArgument
	}
	m.remove(strings.ToLower(name))
	v.changedMap(kind)
	return ok
}

// getHeaderPairs answers OK and nothing for a map that is not live.
func getHeaderPairs(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastHeaderMap {
		return badArgument
	}
	var b []byte
	if m := v.readableMap(kind); m != nil {
		b = marshalPairs(m.pairs)
	}
	return v.give(string(b), a[1], a[2])
}

func setHeaderPairs(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastHeaderMap {
		return badArgument
	}
	b, found := v.mem.text(a[1], a[2])
	if !found {
		return invalidMemory
	}
	m := v.liveMap(kind)
	if m == nil {
		return badArgument
	}
	m.replaceAll(unmarshalPairs([]byte(b)))
	v.changedMap(kind)
	return ok
}

func getHeaderSize(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastHeaderMap {
		return badArgument
	}
	m := v.liveMap(kind)
	if m == nil {
		return badArgument
	}
	return wrote(v.mem.put32(a[1], uint32(m.byteSize())))
}
