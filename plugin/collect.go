package main

import "runtime"

// memory is what the runtime says of the heap.
var memory runtime.MemStats

// collectSlack is how far the heap may be over twice its goal.
const collectSlack = 16 << 20 // bytes

// collect ends a garbage collection that does not end by itself. Callbacks do not yield, so
// that none of the runtime's own goroutines run, and each allocation does a part of the
// collector's work. Where that takes more than half of the time for a while, as on a machine with too
// much to do, the runtime excuses them from it (runtime/mgclimit.go), and only those
// goroutines would notice that time has passed: the heap would grow to the host's limit, and
// the VM end. This is the one place that yields, see package upstreamgo for what that can
// do in Envoy 1.36.
func collect() {
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > 2*memory.NextGC+collectSlack {
		runtime.GC()
	}
}
