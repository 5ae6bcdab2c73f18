package main

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// The SDK has no gRPC callouts: these are the ABI's own calls.

//go:wasmimport env proxy_grpc_call
func hostGRPCCall(service unsafe.Pointer, serviceSize uint32, name unsafe.Pointer, nameSize uint32, method unsafe.Pointer, methodSize uint32,
	metadata unsafe.Pointer, metadataSize uint32, message unsafe.Pointer, messageSize, timeout uint32, token unsafe.Pointer) uint32

//go:wasmimport env proxy_grpc_stream
func hostGRPCStream(service unsafe.Pointer, serviceSize uint32, name unsafe.Pointer, nameSize uint32, method unsafe.Pointer, methodSize uint32,
	metadata unsafe.Pointer, metadataSize uint32, token unsafe.Pointer) uint32

//go:wasmimport env proxy_grpc_send
func hostGRPCSend(token uint32, message unsafe.Pointer, messageSize, end uint32) uint32

//go:wasmimport env proxy_grpc_close
func hostGRPCClose(token uint32) uint32

//go:wasmimport env proxy_grpc_cancel
func hostGRPCCancel(token uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func hostBuffer(kind, start, size uint32, data, length unsafe.Pointer) uint32

//go:wasmimport env proxy_get_header_map_value
func hostHeader(kind uint32, name unsafe.Pointer, nameSize uint32, data, length unsafe.Pointer) uint32

//go:wasmimport env proxy_get_status
func hostStatus(code, data, length unsafe.Pointer) uint32

// The last gRPC callout, and who made it.
var (
	grpcToken   uint32
	grpcScripts scripts
)

func address(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// metadata is one pair: x-meta: 1.
func metadata() string {
	b := binary.LittleEndian.AppendUint32(nil, 1)
	b = binary.LittleEndian.AppendUint32(b, 6)
	b = binary.LittleEndian.AppendUint32(b, 1)
	return string(append(b, "x-meta\x001\x00"...))
}

// grpcOp does "grpc CLUSTER METHOD TIMEOUT MESSAGE", "grpcstream CLUSTER METHOD",
// "grpcsend MESSAGE end|more", "grpcclose" and "grpccancel". It returns the ABI's numbers of
// statuses.
func grpcOp(w words, s scripts) string {
	var code uint32
	switch w[0] {
	case "grpcsend":
		message, size := address(w.at(1))
		end := uint32(0)
		if w.at(2) == "end" {
			end = 1
		}
		code = hostGRPCSend(grpcToken, message, size, end)
	case "grpcclose":
		code = hostGRPCClose(grpcToken)
	case "grpccancel":
		code = hostGRPCCancel(grpcToken)
	default:
		grpcScripts = s
		service, serviceSize := address(w.at(1))
		name, nameSize := address("test.Echo")
		method, methodSize := address(w.at(2))
		pairs, pairsSize := address(metadata())
		if w[0] == "grpcstream" {
			code = hostGRPCStream(service, serviceSize, name, nameSize, method, methodSize, pairs, pairsSize, unsafe.Pointer(&grpcToken))
			break
		}
		message, messageSize := address(w.rest(4))
		code = hostGRPCCall(service, serviceSize, name, nameSize, method, methodSize, pairs, pairsSize, message, messageSize,
			uint32(w.number(3)), unsafe.Pointer(&grpcToken))
	}
	if code != 0 {
		return fmt.Sprintf("status %d", code)
	}
	return ""
}

// text returns what a host call wrote to p and n.
func text(p *byte, n int) string { return string(unsafe.Slice(p, n)) }

func grpcHeader(kind uint32, name string) string {
	var p *byte
	var n int
	at, size := address(name)
	if code := hostHeader(kind, at, size, unsafe.Pointer(&p), unsafe.Pointer(&n)); code != 0 {
		return fmt.Sprintf("status %d", code)
	}
	return text(p, n)
}

//go:wasmexport proxy_on_grpc_receive_initial_metadata
func onGRPCInitialMetadata(_, token, _ uint32) {
	const initial = 4
	grpcScripts.log(fmt.Sprintf("grpc: ours=%t initial metadata, content-type %s, x-app %s", token == grpcToken, grpcHeader(initial, "content-type"), grpcHeader(initial, "x-app")))
	grpcScripts.run("grpc-initial")
}

//go:wasmexport proxy_on_grpc_receive
func onGRPCReceive(_, token, size uint32) {
	const grpcBuffer = 5
	var p *byte
	var n int
	code := hostBuffer(grpcBuffer, 0, 1000, unsafe.Pointer(&p), unsafe.Pointer(&n))
	grpcScripts.log(fmt.Sprintf("grpc: ours=%t size=%d status=%d %s", token == grpcToken, size, code, text(p, n)))
	grpcScripts.run("grpc-receive")
}

//go:wasmexport proxy_on_grpc_receive_trailing_metadata
func onGRPCTrailingMetadata(_, token, _ uint32) {
	const trailing = 5
	grpcScripts.log(fmt.Sprintf("grpc: ours=%t trailing metadata, x-end %s, grpc-status %s", token == grpcToken, grpcHeader(trailing, "x-end"), grpcHeader(trailing, "grpc-status")))
}

//go:wasmexport proxy_on_grpc_close
func onGRPCClose(_, token, status uint32) {
	var code uint32
	var p *byte
	var n int
	hostStatus(unsafe.Pointer(&code), unsafe.Pointer(&p), unsafe.Pointer(&n))
	grpcScripts.log(fmt.Sprintf("grpc: ours=%t closed with %d, get_status %d %s", token == grpcToken, status, code, text(p, n)))
	grpcScripts.run("grpc-close")
}
