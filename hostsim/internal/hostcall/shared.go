package hostcall

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
)

func (h *Host) getSharedData(v *guest.VM, a []uint64) abi.Status {
	key, found := v.Memory.Text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	value, st := h.Data.Get(v.ID, key)
	if st != abi.OK {
		return st
	}
	if st := v.Return(value.Value, a[2], a[3]); st != abi.OK {
		return st
	}
	return written(v.Memory.PutUint32(a[4], value.CAS))
}

func (h *Host) setSharedData(v *guest.VM, a []uint64) abi.Status {
	key, foundKey := v.Memory.Text(a[0], a[1])
	value, foundValue := v.Memory.Text(a[2], a[3])
	if !foundKey || !foundValue {
		return abi.InvalidMemoryAccess
	}
	return h.Data.Set(v.ID, key, value, uint32(a[4]))
}

func (h *Host) registerSharedQueue(v *guest.VM, a []uint64) abi.Status {
	name, found := v.Memory.Text(a[0], a[1])
	if !found {
		return abi.InvalidMemoryAccess
	}
	root := v.Effective().Root
	token := h.Queues.Register(v.ID, name, func(token uint32) {
		h.Running.Go(func() {
			v.Thread.Do(func() { v.Callback(root, v.Exports.QueueReady, uint64(root.ID), uint64(token)) })
		})
	})
	return written(v.Memory.PutUint32(a[2], token))
}

func (h *Host) resolveSharedQueue(v *guest.VM, a []uint64) abi.Status {
	vmID, foundID := v.Memory.Text(a[0], a[1])
	name, foundName := v.Memory.Text(a[2], a[3])
	if !foundID || !foundName {
		return abi.InvalidMemoryAccess
	}
	if vmID == "" {
		vmID = v.ID
	}
	token, st := h.Queues.Resolve(vmID, name)
	if st != abi.OK {
		return st
	}
	return written(v.Memory.PutUint32(a[4], token))
}

func (h *Host) dequeueSharedQueue(v *guest.VM, a []uint64) abi.Status {
	value, st := h.Queues.Dequeue(uint32(a[0]))
	if st != abi.OK {
		return st
	}
	return v.Return(value, a[1], a[2])
}

func (h *Host) enqueueSharedQueue(v *guest.VM, a []uint64) abi.Status {
	value, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	return h.Queues.Enqueue(uint32(a[0]), value)
}

func defineMetric(v *guest.VM, a []uint64) abi.Status {
	name, found := v.Memory.Text(a[1], a[2])
	if !found {
		return abi.InvalidMemoryAccess
	}
	id, st := v.Metrics.Define(uint32(a[0]), name)
	if st != abi.OK {
		return st
	}
	return written(v.Memory.PutUint32(a[3], id))
}

func incrementMetric(v *guest.VM, a []uint64) abi.Status {
	return v.Metrics.Increment(uint32(a[0]), int64(a[1]))
}

func recordMetric(v *guest.VM, a []uint64) abi.Status { return v.Metrics.Record(uint32(a[0]), a[1]) }

func getMetric(v *guest.VM, a []uint64) abi.Status {
	value, st := v.Metrics.Get(uint32(a[0]))
	if st != abi.OK {
		return st
	}
	return written(v.Memory.PutUint64(a[1], value))
}
