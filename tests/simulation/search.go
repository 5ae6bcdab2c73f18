package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// searched is what came of playing many histories.
type searched struct {
	from, histories uint64
	took            time.Duration
	stats           stats
	failed          *plan // the one with the smallest seed of those that failed; nil: none did
}

// endless is how long a history of some milliseconds takes where the code runs in a circle.
const endless = time.Minute

// search plays histories on all processors until one fails, by their number or for a time.
func search(from, n uint64, d time.Duration) searched {
	s := searched{from: from}
	var next atomic.Uint64
	var mu sync.Mutex
	var all sync.WaitGroup
	var stop atomic.Bool
	begin := time.Now()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for !stop.Load() {
				i := next.Add(1) - 1
				if (d == 0 && i >= n) || (d > 0 && time.Since(begin) >= d) {
					return
				}
				late := time.AfterFunc(endless, func() {
					fmt.Printf("invariant 4 (%s) broken: seed %d does not end\n", invariants[4], from+i)
					os.Exit(1)
				})
				w := play(planned(from+i), false)
				late.Stop()
				mu.Lock()
				s.histories++
				s.stats.add(w.stats)
				if w.failure != nil {
					stop.Store(true)
					if s.failed == nil || w.plan.seed < s.failed.seed {
						s.failed = w.plan
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	s.took = time.Since(begin)
	return s
}

func (s searched) String() string {
	seconds := max(s.took.Seconds(), 0.001)
	out := fmt.Sprintf("%d histories from seed %d in %s (%.0f/s, %.0f events/s): %d requests, %d callouts, %d uses of the store",
		s.histories, s.from, s.took.Round(time.Millisecond), float64(s.histories)/seconds, float64(s.stats.events)/seconds,
		s.stats.requests, s.stats.callouts, s.stats.storeOps)
	var faults []string
	for k := firstFault; k < numKinds; k++ {
		faults = append(faults, fmt.Sprintf("%s %d", kindNames[k], s.stats.faults[k]))
	}
	return out + "\nfaults: " + strings.Join(faults, ", ")
}

// report prints a history that fails, with as little in it as possible.
func report(out io.Writer, seed uint64, whole bool) {
	p := planned(seed)
	broken := play(p, false).failure
	if broken == nil {
		fmt.Fprintf(out, "seed %d does not fail\n", seed)
		return
	}
	if !whole {
		p = shrink(p, breaks(broken.invariant))
	}
	w := play(p, true)
	fmt.Fprintf(out, "%s\n%s\nwhat happens, of it:\n", w.failure, p)
	for i := range p.items {
		fmt.Fprintf(out, "  %s\n", &p.items[i])
	}
	fmt.Fprintf(out, "the story:\n%s\nagain: make simulate SEED=%d\n", w.story.String(), seed)
}
