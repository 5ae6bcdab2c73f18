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

// Host is what the host calls work on, beside the VM that makes them.
type Host struct {
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

// wrote is the status of a call whose only possible failure is its last write.
func wrote(done bool) abi.Status {
	if !done {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
