package hostsim

import "cloakroom/hostsim/internal/abi"

func (h *callHost) getSharedData(v *vm, a []uint64) abi.Status {
	key, found := v.mem.text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	value, st := h.Data.Get(v.id, key)
	if st != abi.OK {
		return st
	}
	if st := v.give(value.Value, a[2], a[3]); st != abi.OK {
		return st
	}
	return wrote(v.mem.put32(a[4], value.CAS))
}

func (h *callHost) setSharedData(v *vm, a []uint64) abi.Status {
	key, foundKey := v.mem.text(a[0], a[1])
	value, foundValue := v.mem.text(a[2], a[3])
	if !foundKey || !foundValue {
		return abi.InvalidMemoryAccess
	}
	return h.Data.Set(v.id, key, value, uint32(a[4]))
}

func (h *callHost) registerSharedQueue(v *vm, a []uint64) abi.Status {
	name, found := v.mem.text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	root := v.inEffect().root
	token := h.Queues.Register(v.id, name, func(token uint32) {
		h.Running.Go(func() {
			v.thread.do(func() { v.enter(root, v.exports.queueReady, uint64(root.id), uint64(token)) })
		})
	})
	return wrote(v.mem.put32(a[2], token))
}

func (h *callHost) resolveSharedQueue(v *vm, a []uint64) abi.Status {
	vmID, foundID := v.mem.text(a[0], a[1])
	name, foundName := v.mem.text(a[2], a[3])
	if !foundID || !foundName {
		return abi.InvalidMemoryAccess
	}
	if vmID == "" {
		vmID = v.id
	}
	token, st := h.Queues.Resolve(vmID, name)
	if st != abi.OK {
		return st
	}
	return wrote(v.mem.put32(a[4], token))
}

func (h *callHost) dequeueSharedQueue(v *vm, a []uint64) abi.Status {
	value, st := h.Queues.Dequeue(uint32(a[0]))
	if st != abi.OK {
		return st
	}
	return v.give(value, a[1], a[2])
}

func (h *callHost) enqueueSharedQueue(v *vm, a []uint64) abi.Status {
	value, found := v.mem.text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	return h.Queues.Enqueue(uint32(a[0]), value)
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
