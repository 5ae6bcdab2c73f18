package upstreamgo

import "runtime"

// memory is the runtime's statistics of the heap.
var memory runtime.MemStats

// collectSlack is how far the heap may exceed twice its goal.
const collectSlack = 16 << 20 // bytes

// Collect completes a garbage collection that does not complete by itself; a plugin that allocates
// much calls it on a tick. Callbacks do not yield, so none of the runtime's own goroutines run, and
// allocating goroutines do the collector's work (assists). If that takes more than half of the time
// for a while, as on an overloaded machine, the runtime disables assists (runtime/mgclimit.go), and
// only its own goroutines could enable them again: the heap would grow to the host's limit, and the
// VM fail. This is the only place that yields; see the package's rules.
func Collect() {
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > 2*memory.NextGC+collectSlack {
		runtime.GC()
	}
}
