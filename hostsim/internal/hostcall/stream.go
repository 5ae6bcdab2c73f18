package hostcall

import (
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
)

// sendLocalResponse answers the stream. A second local reply is ignored.
func sendLocalResponse(v *guest.VM, a []uint64) abi.Status {
	details, foundDetails := v.Memory.Text(a[1], a[2])
	body, foundBody := v.Memory.Text(a[3], a[4])
	headers, foundHeaders := v.Memory.Text(a[5], a[6])
	if !foundDetails || !foundBody || !foundHeaders {
		return abi.InvalidMemoryAccess
	}
	r := guest.LocalReply{
		Status: int(uint32(a[0])), Body: body, Headers: abi.UnmarshalPairs([]byte(headers)),
		GRPC: int(int32(a[7])), Details: strings.Join(strings.Fields(details), "_"),
	}
	if f := v.Effective().Filter; f != nil {
		f.Reply(r)
	}
	v.OverrideResult()
	return abi.OK
}

// continueStream continues a paused direction. In either case the guest may no longer use the
// header maps of the request.
func continueStream(v *guest.VM, a []uint64) abi.Status {
	kind, f := uint32(a[0]), v.Effective().Filter
	switch {
	case kind > abi.LastStream:
		return abi.BadArgument
	case kind == abi.UpstreamStream:
		return abi.Unimplemented
	case kind == abi.DownstreamStream || f == nil:
		return abi.OK
	}
	f.Resume(kind)
	return abi.OK
}

// closeStream resets the stream. For the types of a connection it returns OK and does
// nothing.
func closeStream(v *guest.VM, a []uint64) abi.Status {
	kind, f := uint32(a[0]), v.Effective().Filter
	if kind > abi.LastStream {
		return abi.BadArgument
	}
	if f != nil && (kind == abi.RequestStream || kind == abi.ResponseStream) {
		f.Reset()
	}
	return abi.OK
}
