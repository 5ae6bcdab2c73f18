package hostsim

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

// Faults are what is to go wrong. The same seed, with the same requests one after
// the other, makes the same run.
type Faults struct {
	Seed   uint64
	Faults []Fault
}

// Fault is one thing that goes wrong: the Nth time that it could, every so many
// times, or with a likelihood; where none of the three is given, each time.
type Fault struct {
	// On is where: a callback (proxy_on_request_headers) or a host call
	// (proxy_set_shared_data) by its name, or "callout".
	On      string
	Cluster string // with a callout: of which cluster; empty: of any
	Path    string // and to which path; empty: to any
	// Do is what happens. In a callback: trap; in proxy_on_memory_allocate also
	// fail, which is 0 for an address. In a host call: trap, or a status for an answer:
	// not_found, bad_argument, serialization_failure, invalid_memory_access, empty,
	// cas_mismatch, internal_failure. To a callout: delay (it goes out By later), refuse
	// (nobody listens), reset (the answer breaks off after its headers) and late (the
	// answer comes when the stream that asked has ended).
	Do    string
	By    time.Duration
	Nth   int     // from 1
	Every int     // 2: the second time, the fourth, …
	Share float64 // of all times, at random by Seed: 0 to 1
}

// Kinds of faults that are not statuses.
const (
	faultTrap   = "trap"
	faultFail   = "fail"
	faultDelay  = "delay"
	faultRefuse = "refuse"
	faultReset  = "reset"
	faultLate   = "late"

	onCallout  = "callout"
	onAllocate = "proxy_on_memory_allocate"
)

var errFault = errors.New("a trap by Config.Faults")

// faultPlan is Faults in use; nil has none.
type faultPlan struct {
	mu    sync.Mutex
	rules []faultRule
}

type faultRule struct {
	Fault
	times  int // that it could have happened
	random *rand.Rand
}

// newFaultPlan checks the faults.
func newFaultPlan(f Faults) (*faultPlan, error) {
	if len(f.Faults) == 0 {
		return nil, nil
	}
	p := &faultPlan{}
	for i, fault := range f.Faults {
		if err := fault.check(); err != nil {
			return nil, fmt.Errorf("hostsim: fault %d: %w", i+1, err)
		}
		p.rules = append(p.rules, faultRule{Fault: fault, random: rand.New(rand.NewPCG(f.Seed, uint64(i)))})
	}
	return p, nil
}

func (f Fault) check() error {
	var kinds []string
	switch _, hostCall := envCalls[f.On]; {
	case f.On == onCallout:
		kinds = []string{faultDelay, faultRefuse, faultReset, faultLate}
	case f.On == onAllocate:
		kinds = []string{faultTrap, faultFail}
	case hostCall:
		kinds = append([]string{faultTrap}, abi.StatusNames[1:]...)
	case strings.HasPrefix(f.On, "proxy_on_"):
		kinds = []string{faultTrap}
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

// next gives the fault that happens now, in this callback or host call, or nil.
func (p *faultPlan) next(on string) *Fault {
	return p.find(func(f *Fault) bool { return f.On == on })
}

// nextCallout is next for a callout.
func (p *faultPlan) nextCallout(cluster, path string) *Fault {
	return p.find(func(f *Fault) bool {
		return f.On == onCallout && (f.Cluster == "" || f.Cluster == cluster) && (f.Path == "" || f.Path == path)
	})
}

func (p *faultPlan) find(here func(*Fault) bool) *Fault {
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

func (r *faultRule) happens() bool {
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
