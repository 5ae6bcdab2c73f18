package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"

	"cloakroom/filter"
	"cloakroom/filter/worker"
)

// counters are the host's metrics. The worker counts in the module, and each housekeeping tick
// reports to the host: a host call for each request would cost more than the counting.
type counters []proxywasm.MetricCounter

func newCounters() counters {
	c := make(counters, worker.CalloutsCounter+1)
	for outcome, name := range filter.Outcomes {
		c[outcome] = proxywasm.DefineCounterMetric("cloakroom." + name)
	}
	c[worker.CalloutsCounter] = proxywasm.DefineCounterMetric("cloakroom.callouts")
	return c
}

// flush reports the counts to the host.
func (c counters) flush(w *worker.Worker) {
	w.Counts(func(counter filter.Outcome, n uint64) { c[counter].Increment(n) })
}
