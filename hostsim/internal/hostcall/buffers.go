package hostcall

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
)

// buffer returns the bytes of a buffer type, and where they are stored: nil if the guest may
// not change them. found is false if there is no such buffer now.
func buffer(v *guest.VM, kind uint32) (b []byte, stored *[]byte, found bool) {
	c := v.Effective()
	switch kind {
	case abi.RequestBody, abi.ResponseBody:
		if c.Filter == nil {
			return nil, nil, true
		}
		body := c.Filter.Body(kind)
		if body == nil {
			return nil, nil, true
		}
		return *body, body, true
	case abi.CalloutBody:
		if c.Root.Callouts.Response == nil {
			return nil, nil, false
		}
		return c.Root.Callouts.Response.Body, nil, true
	case abi.VMConfiguration:
		return c.Root.Plugin.VMConfiguration, nil, true
	case abi.PluginConfiguration:
		return c.Root.Plugin.Configuration, nil, c.Root.Configuring
	case abi.GRPCMessage:
		if c.Root.Callouts.Event == nil {
			return nil, nil, true
		}
		return []byte(c.Root.Callouts.Event.Message), nil, true
	case abi.CallData, abi.DownstreamData, abi.UpstreamData:
		return nil, nil, true
	}
	return nil, nil, false
}

func getBufferBytes(v *guest.VM, a []uint64) abi.Status {
	kind, start, length := uint32(a[0]), uint32(a[1]), uint32(a[2])
	if kind > abi.LastBuffer {
		return abi.BadArgument
	}
	b, _, found := buffer(v, kind)
	if !found {
		return abi.NotFound
	}
	from := min(uint64(start), uint64(len(b)))
	to := min(from+uint64(length), uint64(len(b)))
	return v.Return(string(b[from:to]), a[3], a[4])
}

func getBufferStatus(v *guest.VM, a []uint64) abi.Status {
	kind := uint32(a[0])
	if kind > abi.LastBuffer {
		return abi.BadArgument
	}
	b, _, found := buffer(v, kind)
	if !found {
		return abi.NotFound
	}
	return written(v.Memory.PutUint32(a[1], uint32(len(b))) && v.Memory.PutUint32(a[2], 0))
}

// setBufferBytes replaces the whole buffer (start 0, length at least its size), prepends
// (start 0, length 0) or appends (start at least its size). Envoy supports no other change.
func setBufferBytes(v *guest.VM, a []uint64) abi.Status {
	kind, start, length := uint32(a[0]), int64(uint32(a[1])), int64(uint32(a[2]))
	if kind > abi.LastBuffer {
		return abi.BadArgument
	}
	b, stored, found := buffer(v, kind)
	if !found {
		return abi.NotFound
	}
	data, found := v.Memory.Text(a[3], a[4])
	if !found {
		return abi.InvalidMemoryAccess
	}
	size := int64(len(b))
	switch {
	case stored == nil:
		return abi.BadArgument
	case start == 0 && length == 0:
		*stored = append([]byte(data), b...)
	case start == 0 && length >= size:
		*stored = []byte(data)
	case start != 0 && start >= size:
		*stored = append(b, data...)
	default:
		return abi.BadArgument
	}
	return abi.OK
}
