// Package fault decides where the faults of a test happen.
package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"cloakroom/hostsim/internal/abi"
)

// Fault is one kind of fault: see hostsim.Fault.
type Fault struct {
	On      string
	Cluster string
	Path    string
	Do      string
	By      time.Duration
	Nth     int
	Every   int
	Share   float64
}

// Values of Fault.Do, beside the names of statuses.
const (
	Trap   = "trap"
	Fail   = "fail"
	Delay  = "delay"
	Refuse = "refuse"
	Reset  = "reset"
	Late   = "late"
)

// Values of Fault.On, beside the names of callbacks and host calls.
const (
	onCallout  = "callout"
	OnAllocate = "proxy_on_memory_allocate"
)

// ErrTrap is the reason of an injected trap, or of an injected connection failure.
var ErrTrap = errors.New("a trap by Config.Faults")

// Plan holds faults and counts the occasions for each. A nil Plan has no faults. It is safe
// for concurrent use.
type Plan struct {
	mu    sync.Mutex
	rules []rule
}

type rule struct {
	Fault
	count  int // of occasions so far
	random *rand.Rand
}

// NewPlan returns the plan for faults, or nil if there are none. seed makes Fault.Share
// reproducible; isHostCall reports whether a name is that of a host call. The error names
// the fault that is invalid, and the values that are allowed.
func NewPlan(seed uint64, faults []Fault, isHostCall func(name string) bool) (*Plan, error) {
	if len(faults) == 0 {
		return nil, nil
	}
	p := &Plan{}
	for i, f := range faults {
		if err := f.check(isHostCall); err != nil {
			return nil, fmt.Errorf("hostsim: fault %d: %w", i+1, err)
		}
		p.rules = append(p.rules, rule{Fault: f, random: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	return p, nil
}

// check returns an error if the fault is invalid.
func (f Fault) check(isHostCall func(name string) bool) error {
	var kinds []string
	switch {
	case f.On == onCallout:
		kinds = []string{Delay, Refuse, Reset, Late}
	case f.On == OnAllocate:
		kinds = []string{Trap, Fail}
	case isHostCall(f.On):
		kinds = append([]string{Trap}, abi.StatusNames[1:]...)
	case strings.HasPrefix(f.On, "proxy_on_"):
		kinds = []string{Trap}
	default:
		return fmt.Errorf("on: %q is neither a callback nor a host call of the proxy-wasm ABI, nor callout", f.On)
	}
	kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == "" })
	if !slices.Contains(kinds, f.Do) {
		return fmt.Errorf("do: %q: want %s with %s", f.Do, strings.Join(kinds, ", "), f.On)
	}
	if f.Nth < 0 || f.Every < 0 || f.Share < 0 || f.Share > 1 || f.By < 0 {
		return errors.New("nth, every and by must not be negative, and share must be from 0 to 1")
	}
	return nil
}

// Next returns the fault that happens now, in a callback or a host call, or nil.
func (p *Plan) Next(on string) *Fault {
	return p.find(func(f *Fault) bool { return f.On == on })
}

// NextCallout returns the fault that happens to a callout, or nil.
func (p *Plan) NextCallout(cluster, path string) *Fault {
	return p.find(func(f *Fault) bool {
		return f.On == onCallout && (f.Cluster == "" || f.Cluster == cluster) && (f.Path == "" || f.Path == path)
	})
}

// find counts the occasion for each fault that matches, and returns the first that happens.
func (p *Plan) find(matches func(*Fault) bool) *Fault {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *Fault
	for i := range p.rules {
		r := &p.rules[i]
		if !matches(&r.Fault) {
			continue
		}
		r.count++
		if found == nil && r.happens() {
			found = &r.Fault
		}
	}
	return found
}

// happens reports whether the fault happens on the current occasion.
func (r *rule) happens() bool {
	switch {
	case r.Nth > 0:
		return r.count == r.Nth
	case r.Every > 0:
		return r.count%r.Every == 0
	case r.Share > 0:
		return r.random.Float64() < r.Share
	}
	return true
}
