package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"

	"cloakroom/filter"
)

// counters count in the module, and tell the host with each tick: a host call
// for each request would be the dearest thing about counting.
type counters struct {
	metrics []proxywasm.MetricCounter
	pending []uint64
}

// calloutsCounter stands behind the outcomes.
var calloutsCounter = filter.Outcome(len(filter.Outcomes) + 1)

func newCounters() counters {
	c := counters{
		metrics: make([]proxywasm.MetricCounter, calloutsCounter+1),
		pending: make([]uint64, calloutsCounter+1),
	}
	for outcome, name := range filter.Outcomes {
		c.metrics[outcome] = proxywasm.DefineCounterMetric("cloakroom." + name)
	}
	c.metrics[calloutsCounter] = proxywasm.DefineCounterMetric("cloakroom.callouts")
	return c
}

// add counts one; filter.Undecided is counted by nobody.
func (c *counters) add(outcome filter.Outcome) { c.pending[outcome]++ }

// flush tells the host.
func (c *counters) flush() {
	c.pending[filter.Undecided] = 0
	for outcome, n := range c.pending {
		if n > 0 {
			c.metrics[outcome].Increment(n)
			c.pending[outcome] = 0
		}
	}
}
