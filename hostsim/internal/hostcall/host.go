package hostcall

import (
	"sync"
	"sync/atomic"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/shared"
	"cloakroom/hostsim/internal/upstream"
)

// Host is what host calls work on, beside the VM that makes them.
type Host struct {
	Clock        clock.Clock
	Log          *logbook.Book
	LogLevel     abi.Level
	Faults       *atomic.Pointer[fault.Plan]
	Data         *shared.Data
	Queues       *shared.Queues
	Clusters     map[string]*upstream.Cluster
	CalloutLimit int             // bytes of a callout's response
	Running      *sync.WaitGroup // counts the goroutines that host calls start
}

// written returns the status of a call after its last write to the guest's memory.
func written(done bool) abi.Status {
	if !done {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
