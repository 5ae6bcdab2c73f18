package hostsim

import (
	"sync"
	"sync/atomic"
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/guest"
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
func (h *callHost) modules(oldWASI bool) map[string]map[string]guest.HostCall {
	wasi := wasiCalls(oldWASI)
	return map[string]map[string]guest.HostCall{
		"env": h.envCalls(), "wasi_snapshot_preview1": wasi, "wasi_unstable": wasi,
	}
}

// envCalls returns the host calls of ABI 0.2.1, and two that compilers import.
func (h *callHost) envCalls() map[string]guest.HostCall {
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

// isHostCall reports whether name is a host call of the ABI.
func isHostCall(name string) bool {
	_, found := new(callHost).envCalls()[name]
	return found
}

func pthreadEqual(_ *guest.VM, a []uint64) uint32 {
	if uint32(a[0]) == uint32(a[1]) {
		return 1
	}
	return 0
}

func (h *callHost) logLine(v *guest.VM, a []uint64) uint32 {
	if uint32(a[0]) > uint32(abi.Critical) {
		return uint32(abi.BadArgument)
	}
	text, found := v.Memory.Text(a[1], a[2])
	if !found {
		return uint32(abi.InvalidMemoryAccess)
	}
	h.Log.Add(abi.Level(uint32(a[0])), text)
	return uint32(abi.OK)
}

func (h *callHost) getLogLevel(v *guest.VM, a []uint64) abi.Status {
	return wrote(v.Memory.PutUint32(a[0], uint32(h.LogLevel)))
}

// wrote is the status of a call whose only possible failure is its last write.
func wrote(done bool) abi.Status {
	if !done {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}

func getStatus(v *guest.VM, a []uint64) abi.Status {
	callouts := v.Effective().Root.Callouts
	if !v.Memory.PutUint32(a[0], callouts.StatusCode) {
		return abi.InvalidMemoryAccess
	}
	return v.Return(callouts.StatusMessage, a[1], a[2])
}

func (h *callHost) getCurrentTime(v *guest.VM, a []uint64) abi.Status {
	return wrote(v.Memory.PutUint64(a[0], uint64(h.Clock.Now().UnixNano())))
}

func setEffectiveContext(v *guest.VM, a []uint64) abi.Status {
	return v.SetEffective(uint32(a[0]))
}

func setTickPeriod(v *guest.VM, a []uint64) abi.Status {
	v.SetTick(v.Effective().Root, time.Duration(uint32(a[0]))*time.Millisecond)
	return abi.OK
}
