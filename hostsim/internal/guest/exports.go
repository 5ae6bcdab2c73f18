package guest

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// Exports are the functions that the guest exports, or nil.
type Exports struct {
	initialize, main, mainVoid, start                 api.Function
	allocate                                          api.Function
	ContextCreate, vmStart, configure                 api.Function
	tick, QueueReady, CalloutResponse                 api.Function
	GRPCInitial, GRPCReceive, GRPCTrailing, GRPCClose api.Function
	RequestHeaders, RequestBody, RequestTrailers      api.Function
	ResponseHeaders, ResponseBody, ResponseTrailers   api.Function
	Done, Log, Delete                                 api.Function
}

// findExports returns the exports of a module. A module without an allocator is an error.
func findExports(m api.Module) (Exports, error) {
	f := m.ExportedFunction
	e := Exports{
		initialize: f("_initialize"), main: f("main"), mainVoid: f("__main_void"), start: f("_start"),
		allocate:      f("proxy_on_memory_allocate"),
		ContextCreate: f("proxy_on_context_create"), vmStart: f("proxy_on_vm_start"), configure: f("proxy_on_configure"),
		tick: f("proxy_on_tick"), QueueReady: f("proxy_on_queue_ready"), CalloutResponse: f("proxy_on_http_call_response"),
		GRPCInitial: f("proxy_on_grpc_receive_initial_metadata"), GRPCReceive: f("proxy_on_grpc_receive"),
		GRPCTrailing: f("proxy_on_grpc_receive_trailing_metadata"), GRPCClose: f("proxy_on_grpc_close"),
		RequestHeaders: f("proxy_on_request_headers"), RequestBody: f("proxy_on_request_body"),
		RequestTrailers: f("proxy_on_request_trailers"), ResponseHeaders: f("proxy_on_response_headers"),
		ResponseBody: f("proxy_on_response_body"), ResponseTrailers: f("proxy_on_response_trailers"),
		Done: f("proxy_on_done"), Log: f("proxy_on_log"), Delete: f("proxy_on_delete"),
	}
	if malloc := f("malloc"); malloc != nil {
		e.allocate = malloc
	}
	if e.allocate == nil {
		return e, fmt.Errorf("%w: the module exports neither proxy_on_memory_allocate nor malloc", ErrLoad)
	}
	return e, nil
}
