package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/header"
)

// envCalls are the host calls of ABI 0.2.1, and two that compilers import.
var envCalls = map[string]hostCall{
	"proxy_log":                          {shape: "ls", atStart: true, fn: logLine},
	"proxy_get_log_level":                proxyCall("4", getLogLevel),
	"proxy_get_status":                   proxyCall("4S", getStatus),
	"proxy_get_current_time_nanoseconds": proxyCall("8", getCurrentTime),
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
	"proxy_http_call":           proxyCall("spspn4", httpCall),

	"proxy_get_shared_data":       proxyCall("sS4", getSharedData),
	"proxy_set_shared_data":       proxyCall("ssn", setSharedData),
	"proxy_register_shared_queue": proxyCall("s4", registerSharedQueue),
	"proxy_resolve_shared_queue":  proxyCall("ss4", resolveSharedQueue),
	"proxy_dequeue_shared_queue":  proxyCall("nS", dequeueSharedQueue),
	"proxy_enqueue_shared_queue":  proxyCall("ns", enqueueSharedQueue),

	"proxy_define_metric":    proxyCall("ns4", defineMetric),
	"proxy_increment_metric": proxyCall("nN", incrementMetric),
	"proxy_record_metric":    proxyCall("nN", recordMetric),
	"proxy_get_metric":       proxyCall("n8", getMetric),

	"proxy_grpc_call":   proxyCall("ssspsn4", grpcCall),
	"proxy_grpc_stream": proxyCall("sssp4", grpcStream),
	"proxy_grpc_send":   proxyCall("nsn", grpcSend),
	"proxy_grpc_close":  proxyCall("n", grpcClose),
	"proxy_grpc_cancel": proxyCall("n", grpcCancel),

	"emscripten_notify_memory_growth": {shape: "n", atStart: true, void: true,
		fn: func(*vm, []uint64) uint32 { return 0 }},
	"pthread_equal": {shape: "nn", fn: pthreadEqual},
}

// isHostCall reports whether name is a host call of the ABI.
func isHostCall(name string) bool {
	_, found := envCalls[name]
	return found
}

func pthreadEqual(_ *vm, a []uint64) uint32 {
	if uint32(a[0]) == uint32(a[1]) {
		return 1
	}
	return 0
}

func logLine(v *vm, a []uint64) uint32 {
	if uint32(a[0]) > uint32(abi.Critical) {
		return uint32(abi.BadArgument)
	}
	text, found := v.mem.text(a[1], a[2])
	if !found {
		return uint32(abi.InvalidMemoryAccess)
	}
	v.host.log.Add(abi.Level(uint32(a[0])), text)
	return uint32(abi.OK)
}

func getLogLevel(v *vm, a []uint64) abi.Status {
	return wrote(v.mem.put32(a[0], uint32(v.host.cfg.LogLevel)))
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

func getCurrentTime(v *vm, a []uint64) abi.Status {
	return wrote(v.mem.put64(a[0], uint64(v.host.now().UnixNano())))
}

func setEffectiveContext(v *vm, a []uint64) abi.Status {
	if v.contexts[uint32(a[0])] == nil {
		return abi.BadArgument
	}
	v.effective = uint32(a[0])
	return abi.OK
}

func getSharedData(v *vm, a []uint64) abi.Status {
	key, found := v.mem.text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	value, st := v.host.shared.Get(v.id, key)
	if st != abi.OK {
		return st
	}
	if st := v.give(value.Value, a[2], a[3]); st != abi.OK {
		return st
	}
	return wrote(v.mem.put32(a[4], value.CAS))
}

func setSharedData(v *vm, a []uint64) abi.Status {
	key, foundKey := v.mem.text(a[0], a[1])
	value, foundValue := v.mem.text(a[2], a[3])
	if !foundKey || !foundValue {
		return abi.InvalidMemoryAccess
	}
	return v.host.shared.Set(v.id, key, value, uint32(a[4]))
}

func registerSharedQueue(v *vm, a []uint64) abi.Status {
	name, found := v.mem.text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	root := v.inEffect().root
	token := v.host.queues.Register(v.id, name, func(token uint32) {
		v.host.running.Go(func() { v.queueReady(root, token) })
	})
	return wrote(v.mem.put32(a[2], token))
}

func resolveSharedQueue(v *vm, a []uint64) abi.Status {
	vmID, foundID := v.mem.text(a[0], a[1])
	name, foundName := v.mem.text(a[2], a[3])
	if !foundID || !foundName {
		return abi.InvalidMemoryAccess
	}
	if vmID == "" {
		vmID = v.id
	}
	token, st := v.host.queues.Resolve(vmID, name)
	if st != abi.OK {
		return st
	}
	return wrote(v.mem.put32(a[4], token))
}

func dequeueSharedQueue(v *vm, a []uint64) abi.Status {
	value, st := v.host.queues.Dequeue(uint32(a[0]))
	if st != abi.OK {
		return st
	}
	return v.give(value, a[1], a[2])
}

func enqueueSharedQueue(v *vm, a []uint64) abi.Status {
	value, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	return v.host.queues.Enqueue(uint32(a[0]), value)
}

func defineMetric(v *vm, a []uint64) abi.Status {
	name, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	id, st := v.metrics.Define(uint32(a[0]), name)
	if st != abi.OK {
		return st
	}
	return wrote(v.mem.put32(a[3], id))
}

func incrementMetric(v *vm, a []uint64) abi.Status {
	return v.metrics.Increment(uint32(a[0]), int64(a[1]))
}

func recordMetric(v *vm, a []uint64) abi.Status { return v.metrics.Record(uint32(a[0]), a[1]) }

func getMetric(v *vm, a []uint64) abi.Status {
	value, st := v.metrics.Get(uint32(a[0]))
	if st != abi.OK {
		return st
	}
	return wrote(v.mem.put64(a[1], value))
}
