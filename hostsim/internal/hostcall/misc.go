package hostcall

import (
	"time"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
)

func pthreadEqual(_ *guest.VM, a []uint64) uint32 {
	if uint32(a[0]) == uint32(a[1]) {
		return 1
	}
	return 0
}

func (h *Host) logLine(v *guest.VM, a []uint64) uint32 {
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

func (h *Host) getLogLevel(v *guest.VM, a []uint64) abi.Status {
	return written(v.Memory.PutUint32(a[0], uint32(h.LogLevel)))
}

func getStatus(v *guest.VM, a []uint64) abi.Status {
	callouts := v.Effective().Root.Callouts
	if !v.Memory.PutUint32(a[0], callouts.StatusCode) {
		return abi.InvalidMemoryAccess
	}
	return v.Return(callouts.StatusMessage, a[1], a[2])
}

func (h *Host) getCurrentTime(v *guest.VM, a []uint64) abi.Status {
	return written(v.Memory.PutUint64(a[0], uint64(h.Clock.Now().UnixNano())))
}

func setEffectiveContext(v *guest.VM, a []uint64) abi.Status {
	return v.SetEffective(uint32(a[0]))
}

func setTickPeriod(v *guest.VM, a []uint64) abi.Status {
	v.SetTick(v.Effective().Root, time.Duration(uint32(a[0]))*time.Millisecond)
	return abi.OK
}
