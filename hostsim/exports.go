package hostsim

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// exports are the callbacks of the guest; nil where it has none.
type exports struct {
	initialize, main, mainVoid, start                 api.Function
	allocate                                          api.Function
	contextCreate, vmStart, configure                 api.Function
	tick, queueReady, calloutResponse                 api.Function
	grpcInitial, grpcReceive, grpcTrailing, grpcClose api.Function
	requestHeaders, requestBody, requestTrailers      api.Function
	responseHeaders, responseBody, responseTrailers   api.Function
	done, log, delete                                 api.Function
}

func findExports(m api.Module) (exports, error) {
	f := m.ExportedFunction
	e := exports{
		initialize: f("_initialize"), main: f("main"), mainVoid: f("__main_void"), start: f("_start"),
		allocate:      f("proxy_on_memory_allocate"),
		contextCreate: f("proxy_on_context_create"), vmStart: f("proxy_on_vm_start"), configure: f("proxy_on_configure"),
		tick: f("proxy_on_tick"), queueReady: f("proxy_on_queue_ready"), calloutResponse: f("proxy_on_http_call_response"),
		grpcInitial: f("proxy_on_grpc_receive_initial_metadata"), grpcReceive: f("proxy_on_grpc_receive"),
		grpcTrailing: f("proxy_on_grpc_receive_trailing_metadata"), grpcClose: f("proxy_on_grpc_close"),
		requestHeaders: f("proxy_on_request_headers"), requestBody: f("proxy_on_request_body"),
		requestTrailers: f("proxy_on_request_trailers"), responseHeaders: f("proxy_on_response_headers"),
		responseBody: f("proxy_on_response_body"), responseTrailers: f("proxy_on_response_trailers"),
		done: f("proxy_on_done"), log: f("proxy_on_log"), delete: f("proxy_on_delete"),
	}
	if malloc := f("malloc"); malloc != nil {
		e.allocate = malloc
	}
	if e.allocate == nil {
		return e, fmt.Errorf("%w: the module exports neither proxy_on_memory_allocate nor malloc", errLoad)
	}
	return e, nil
}
