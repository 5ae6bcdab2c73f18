package hostsim

import (
	"strings"

	"cloakroom/hostsim/internal/abi"
)

// sendLocalResponse answers the stream. A second response is ignored.
func sendLocalResponse(v *vm, a []uint64) abi.Status {
	details, foundDetails := v.mem.text(a[1], a[2])
	body, foundBody := v.mem.text(a[3], a[4])
	headers, foundHeaders := v.mem.text(a[5], a[6])
	if !foundDetails || !foundBody || !foundHeaders {
		return abi.InvalidMemoryAccess
	}
	r := localReply{
		status: int(uint32(a[0])), body: body, headers: abi.UnmarshalPairs([]byte(headers)),
		grpc: int(int32(a[7])), details: strings.Join(strings.Fields(details), "_"),
	}
	if f := v.inEffect().filter; f != nil {
		f.reply(r)
	}
	v.stopNext = true
	return abi.OK
}

// continueStream continues a paused direction. Whichever direction that is, the maps of
// the request can no longer be used afterwards.
func continueStream(v *vm, a []uint64) abi.Status {
	kind, f := uint32(a[0]), v.inEffect().filter
	switch {
	case kind > abi.LastStream:
		return abi.BadArgument
	case kind == abi.UpstreamStream:
		return abi.Unimplemented
	case kind == abi.DownstreamStream || f == nil:
		return abi.OK
	}
	f.resume(kind)
	return abi.OK
}

// closeStream resets the stream. For the types of a connection it returns OK and does
// nothing.
func closeStream(v *vm, a []uint64) abi.Status {
	kind, f := uint32(a[0]), v.inEffect().filter
	if kind > abi.LastStream {
		return abi.BadArgument
	}
	if f != nil && (kind == abi.RequestStream || kind == abi.ResponseStream) {
		f.reset()
	}
	return abi.OK
}
