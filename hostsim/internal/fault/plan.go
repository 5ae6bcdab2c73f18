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

// Fault is one thing that goes wrong, as hostsim.fault documents it.
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

// Kinds of faults that are not statuses.
const (
	Trap   = "trap"
	Fail   = "fail"
	Delay  = "delay"
	Refuse = "refuse"
	Reset  = "reset"
	Late   = "late"

	onCallout  = "callout"
	OnAllocate = "proxy_on_memory_allocate"
)

var ErrTrap = errors.New("a trap by Config.Faults")

// Plan is Faults in use; nil has none.
type Plan struct {
	mu    sync.Mutex
	rules []rule
}

type rule struct {
	Fault
	times  int // that it could have happened
	random *rand.Rand
}

// NewPlan checks the faults.
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
		return errors.New("nth, every and by are not negative, and share is 0 to 1")
	}
	return nil
}

// Next gives the fault that happens now, in this callback or host call, or nil.
func (p *Plan) Next(on string) *Fault {
	return p.find(func(f *Fault) bool { return f.On == on })
}

// NextCallout is next for a callout.
func (p *Plan) NextCallout(cluster, path string) *Fault {
	return p.find(func(f *Fault) bool {
		return f.On == onCallout && (f.Cluster == "" || f.Cluster == cluster) && (f.Path == "" || f.Path == path)
	})
}

func (p *Plan) find(here func(*Fault) bool) *Fault {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *Fault
	for i := range p.rules {
		r := &p.rules[i]
		if !here(&r.Fault) {
			continue
		}
		r.times++
		if found == nil && r.happens() {
			found = &r.Fault
		}
	}
	return found
}

func (r *rule) happens() bool {
	switch {
	case r.Nth > 0:
		return r.times == r.Nth
	case r.Every > 0:
		return r.times%r.Every == 0
	case r.Share > 0:
		return r.random.Float64() < r.Share
	}
	return true
}
