// Package hostcall implements the host calls of the proxy-wasm ABI.
package hostcall

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/wasi"
)

// Modules returns the functions that guests may import, by module and name. oldWASI leaves
// out the functions of WASI that Envoy added in April 2026.
func (h *Host) Modules(oldWASI bool) map[string]map[string]guest.HostCall {
	wasi := wasi.Functions(oldWASI)
	return map[string]map[string]guest.HostCall{
		"env": h.envCalls(), "wasi_snapshot_preview1": wasi, "wasi_unstable": wasi,
	}
}

// envCalls returns the host calls of ABI 0.2.1, and two functions that compilers import.
func (h *Host) envCalls() map[string]guest.HostCall {
	return map[string]guest.HostCall{
		"proxy_log":                          {Shape: "ls", AtStart: true, Func: h.logLine},
		"proxy_get_log_level":                guest.ProxyCall("4", h.getLogLevel),
		"proxy_get_status":                   guest.ProxyCall("4S", getStatus),
		"proxy_get_current_time_nanoseconds": guest.ProxyCall("8", h.getCurrentTime),
		"proxy_set_tick_period_milliseconds": guest.ProxyCall("n", setTickPeriod),
		"proxy_set_effective_context":        guest.ProxyCall("n", setEffectiveContext),
		"proxy_done":                         guest.ProxyCall("", func(*guest.VM, []uint64) abi.Status { return abi.NotFound }),
		"proxy_call_foreign_function":        guest.ProxyCall("ssS", callForeignFunction),

		"proxy_get_property": guest.ProxyCall("hS", getProperty),
		"proxy_set_property": guest.ProxyCall("hs", setProperty),

		"proxy_get_header_map_value":     guest.ProxyCall("msS", getHeaderValue),
		"proxy_add_header_map_value":     guest.ProxyCall("mss", changeHeader((*header.Map).Add)),
		"proxy_replace_header_map_value": guest.ProxyCall("mss", changeHeader((*header.Map).Set)),
		"proxy_remove_header_map_value":  guest.ProxyCall("ms", removeHeader),
		"proxy_get_header_map_pairs":     guest.ProxyCall("mP", getHeaderPairs),
		"proxy_set_header_map_pairs":     guest.ProxyCall("mp", setHeaderPairs),
		"proxy_get_header_map_size":      guest.ProxyCall("m4", getHeaderSize),

		"proxy_get_buffer_bytes":  guest.ProxyCall("bnnS", getBufferBytes),
		"proxy_get_buffer_status": guest.ProxyCall("b44", getBufferStatus),
		"proxy_set_buffer_bytes":  guest.ProxyCall("bnns", setBufferBytes),

		"proxy_continue_stream":     guest.ProxyCall("t", continueStream),
		"proxy_close_stream":        guest.ProxyCall("t", closeStream),
		"proxy_send_local_response": guest.ProxyCall("nsspn", sendLocalResponse),
		"proxy_http_call":           guest.ProxyCall("spspn4", h.httpCall),

		"proxy_get_shared_data":       guest.ProxyCall("sS4", h.getSharedData),
		"proxy_set_shared_data":       guest.ProxyCall("ssn", h.setSharedData),
		"proxy_register_shared_queue": guest.ProxyCall("s4", h.registerSharedQueue),
		"proxy_resolve_shared_queue":  guest.ProxyCall("ss4", h.resolveSharedQueue),
		"proxy_dequeue_shared_queue":  guest.ProxyCall("nS", h.dequeueSharedQueue),
		"proxy_enqueue_shared_queue":  guest.ProxyCall("ns", h.enqueueSharedQueue),

		"proxy_define_metric":    guest.ProxyCall("ns4", defineMetric),
		"proxy_increment_metric": guest.ProxyCall("nN", incrementMetric),
		"proxy_record_metric":    guest.ProxyCall("nN", recordMetric),
		"proxy_get_metric":       guest.ProxyCall("n8", getMetric),

		"proxy_grpc_call":   guest.ProxyCall("ssspsn4", h.grpcCall),
		"proxy_grpc_stream": guest.ProxyCall("sssp4", h.grpcStream),
		"proxy_grpc_send":   guest.ProxyCall("nsn", grpcSend),
		"proxy_grpc_close":  guest.ProxyCall("n", grpcClose),
		"proxy_grpc_cancel": guest.ProxyCall("n", grpcCancel),

		"emscripten_notify_memory_growth": {Shape: "n", AtStart: true, Void: true,
			Func: func(*guest.VM, []uint64) uint32 { return 0 }},
		"pthread_equal": {Shape: "nn", Func: pthreadEqual},
	}
}

// IsHostCall reports whether name is a host call of the ABI.
func IsHostCall(name string) bool {
	_, found := new(Host).envCalls()[name]
	return found
}
