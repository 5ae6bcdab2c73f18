package hostsim

import (
	"sync"
	"sync/atomic"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/shared"
	"cloakroom/hostsim/internal/upstream"
)

// callHost is what the host calls work on, beside the VM that makes them.
type callHost struct {
	Clock        clock.Clock
	Log          *logbook.Book
	LogLevel     abi.Level
	Faults       *atomic.Pointer[fault.Plan]
	Data         *shared.Data
	Queues       *shared.Queues
	Clusters     map[string]*upstream.Cluster
	CalloutLimit int             // bytes of a callout's response
	Running      *sync.WaitGroup // counts what runs in goroutines of its own
}

// modules returns all functions that a guest may import, by module and name.
func (h *callHost) modules(oldWASI bool) map[string]map[string]hostCall {
	wasi := wasiCalls(oldWASI)
	return map[string]map[string]hostCall{
		"env": h.envCalls(), "wasi_snapshot_preview1": wasi, "wasi_unstable": wasi,
	}
}

// envCalls returns the host calls of ABI 0.2.1, and two that compilers import.
func (h *callHost) envCalls() map[string]hostCall {
	return map[string]hostCall{
		"proxy_log":                          {shape: "ls", atStart: true, fn: h.logLine},
		"proxy_get_log_level":                proxyCall("4", h.getLogLevel),
		"proxy_get_status":                   proxyCall("4S", getStatus),
		"proxy_get_current_time_nanoseconds": proxyCall("8", h.getCurrentTime),
		"proxy_set_tick_period_milliseconds": proxyCall("n", setTickPeriod),
		"proxy_set_effective_context":        proxyCall("n", setEffectiveContext),
		"proxy_done":                         proxyCall("", func(*vm, []uint64) abi.Status { return abi.NotFound }),
		"proxy_call_foreign_function":        proxyCall("ssS", callForeignFunction),

		"proxy_get_property": proxyCall("hS", getProperty),
		"proxy_set_property": proxyCall("hs", setProperty),

		"proxy_get_header_map_value":     proxyCall("msS", getHeaderValue),
		"proxy_add_header_map_value":     proxyCall("mss", changeHeader((*header.Map).Add)),
		"proxy_replace_header_map_value": proxyCall("mss", changeHeader((*header.Map).Set)),
		"proxy_remove_header_map_value":  proxyCall("ms", removeHeader),
		"proxy_get_header_map_pairs":     proxyCall("mP", getHeaderPairs),
		"proxy_set_header_map_pairs":     proxyCall("mp", setHeaderPairs),
		"proxy_get_header_map_size":      proxyCall("m4", getHeaderSize),

		"proxy_get_buffer_bytes":  proxyCall("bnnS", getBufferBytes),
		"proxy_get_buffer_status": proxyCall("b44", getBufferStatus),
		"proxy_set_buffer_bytes":  proxyCall("bnns", setBufferBytes),

		"proxy_continue_stream":     proxyCall("t", continueStream),
		"proxy_close_stream":        proxyCall("t", closeStream),
		"proxy_send_local_response": proxyCall("nsspn", sendLocalResponse),
		"proxy_http_call":           proxyCall("spspn4", h.httpCall),

		"proxy_get_shared_data":       proxyCall("sS4", h.getSharedData),
		"proxy_set_shared_data":       proxyCall("ssn", h.setSharedData),
		"proxy_register_shared_queue": proxyCall("s4", h.registerSharedQueue),
		"proxy_resolve_shared_queue":  proxyCall("ss4", h.resolveSharedQueue),
		"proxy_dequeue_shared_queue":  proxyCall("nS", h.dequeueSharedQueue),
		"proxy_enqueue_shared_queue":  proxyCall("ns", h.enqueueSharedQueue),

		"proxy_define_metric":    proxyCall("ns4", defineMetric),
		"proxy_increment_metric": proxyCall("nN", incrementMetric),
		"proxy_record_metric":    proxyCall("nN", recordMetric),
		"proxy_get_metric":       proxyCall("n8", getMetric),

		"proxy_grpc_call":   proxyCall("ssspsn4", h.grpcCall),
		"proxy_grpc_stream": proxyCall("sssp4", h.grpcStream),
		"proxy_grpc_send":   proxyCall("nsn", grpcSend),
		"proxy_grpc_close":  proxyCall("n", grpcClose),
		"proxy_grpc_cancel": proxyCall("n", grpcCancel),

		"emscripten_notify_memory_growth": {shape: "n", atStart: true, void: true,
			fn: func(*vm, []uint64) uint32 { return 0 }},
		"pthread_equal": {shape: "nn", fn: pthreadEqual},
	}
}

// isHostCall reports whether name is a host call of the ABI.
func isHostCall(name string) bool {
	_, found := new(callHost).envCalls()[name]
	return found
}

func pthreadEqual(_ *vm, a []uint64) uint32 {
	if uint32(a[0]) == uint32(a[1]) {
		return 1
	}
	return 0
}

func (h *callHost) logLine(v *vm, a []uint64) uint32 {
	if uint32(a[0]) > uint32(abi.Critical) {
		return uint32(abi.BadArgument)
	}
	text, found := v.mem.text(a[1], a[2])
	if !found {
		return uint32(abi.InvalidMemoryAccess)
	}
	h.Log.Add(abi.Level(uint32(a[0])), text)
	return uint32(abi.OK)
}

func (h *callHost) getLogLevel(v *vm, a []uint64) abi.Status {
	return wrote(v.mem.put32(a[0], uint32(h.LogLevel)))
}

// wrote is the status of a call whose only possible failure is its last write.
func wrote(done bool) abi.Status {
	if !done {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

func getStatus(v *vm, a []uint64) abi.Status {
	callouts := v.inEffect().root.callouts
	if !v.mem.put32(a[0], callouts.StatusCode) {
		return abi.InvalidMemoryAccess
	}
	return v.give(callouts.StatusMessage, a[1], a[2])
}

func (h *callHost) getCurrentTime(v *vm, a []uint64) abi.Status {
	return wrote(v.mem.put64(a[0], uint64(h.Clock.Now().UnixNano())))
}

func setEffectiveContext(v *vm, a []uint64) abi.Status {
	return v.setEffective(uint32(a[0]))
}

func setTickPeriod(v *vm, a []uint64) abi.Status {
	v.setTick(v.inEffect().root, time.Duration(uint32(a[0]))*time.Millisecond)
	return abi.OK
}
