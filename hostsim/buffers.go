package hostsim

// buffer gives the bytes behind a buffer type, and the place to change them: nil
// where they cannot be changed. found is false where there is no such buffer.
func (v *vm) buffer(kind uint32) (b []byte, change *[]byte, found bool) {
	c := v.inEffect()
	switch kind {
	case requestBody, responseBody:
		if c.filter == nil {
			return nil, nil, true
		}
		half := &c.filter.dec
		if kind == responseBody {
			half = &c.filter.enc
		}
		if half.body == nil {
			return nil, nil, true
		}
		return *half.body, half.body, true
	case calloutBody:
		if c.root.response == nil {
			return nil, nil, false
		}
		return c.root.response.body, nil, true
	case vmConfiguration:
		return c.root.plugin.VMConfiguration, nil, true
	case pluginConfiguration:
		return c.root.plugin.Configuration, nil, c.root.configuring
	case grpcBuffer:
		if c.root.telling == nil {
			return nil, nil, true
		}
		return []byte(c.root.telling.message), nil, true
	case callData, downstreamData, upstreamData:
		return nil, nil, true
	}
	return nil, nil, false
}

func getBufferBytes(v *vm, a []uint64) status {
	kind, start, length := uint32(a[0]), uint32(a[1]), uint32(a[2])
	if kind > lastBuffer {
		return badArgument
	}
	b, _, found := v.buffer(kind)
	if !found {
		return notFound
	}
	from := min(uint64(start), uint64(len(b)))
	to := min(from+uint64(length), uint64(len(b)))
	return v.give(string(b[from:to]), a[3], a[4])
}

func getBufferStatus(v *vm, a []uint64) status {
	kind := uint32(a[0])
	if kind > lastBuffer {
		return badArgument
	}
	b, _, found := v.buffer(kind)
	if !found {
		return notFound
	}
	return wrote(v.mem.put32(a[1], uint32(len(b))) && v.mem.put32(a[2], 0))
}

// setBufferBytes replaces the whole buffer (start 0, length at least its size),
// puts bytes before it (start 0, length 0) or after it (start at least its size).
// Envoy can do no other change.
func setBufferBytes(v *vm, a []uint64) status {
	kind, start, length := uint32(a[0]), int64(uint32(a[1])), int64(uint32(a[2]))
	if kind > lastBuffer {
		return badArgument
	}
	b, change, found := v.buffer(kind)
	if !found {
		return notFound
	}
	data, inside := v.mem.text(a[3], a[4])
	if !inside {
		return invalidMemory
	}
	size := int64(len(b))
	switch {
	case change == nil:
		return badArgument
	case start == 0 && length == 0:
		*change = append([]byte(data), b...)
	case start == 0 && length >= size:
		*change = []byte(data)
	case start != 0 && start >= size:
		*change = append(b, data...)
	default:
		return badArgument
	}
	return ok
}
