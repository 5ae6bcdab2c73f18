package hostsim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/metrics"
)

// vm is one instance of the module with its contexts. It runs on one thread at a
// time: whoever calls in holds the worker's lock.
type vm struct {
	rt      *guestRuntime
	thread  *thread
	id      string // the vm_id
	env     map[string]string
	ctx     context.Context
	module  api.Module
	mem     memory
	exports exports
	metrics *metrics.Table

	contexts map[uint32]*guestContext
	lastID   uint32
	lastCall uint32

	// The context of the callback that runs now, and the one that the guest chose
	// in its place; the choice ends with the callback.
	current   *guestContext
	effective uint32

	// afterCall holds what host calls have put off until the guest has returned.
	afterCall []func()
	// stopNext is set by a local reply: the callback's answer does not matter.
	stopNext bool

	watchdog watchdog

	trace tracer

	restricted bool  // only the calls allowed at start may be made
	failed     error // the trap that ended this VM
}

// newContext registers a context under the next free id.
func (v *vm) newContext(root *guestContext, f streamFilter) *guestContext {
	for v.lastID++; v.lastID == 0 || v.contexts[v.lastID] != nil; {
		v.lastID++
	}
	c := &guestContext{id: v.lastID, root: root, filter: f}
	if root == nil {
		c.root = c
		c.callouts = callout.NewState()
	}
	v.contexts[c.id] = c
	return c
}

// nextCall returns the number of the next callout.
func (v *vm) nextCall() uint32 {
	v.lastCall++
	return v.lastCall
}

// setEffective makes host calls work on another context until the callback returns.
func (v *vm) setEffective(id uint32) abi.Status {
	if v.contexts[id] == nil {
		return abi.BadArgument
	}
	v.effective = id
	return abi.OK
}

// inEffect is the context that host calls work on.
func (v *vm) inEffect() *guestContext {
	if c := v.contexts[v.effective]; v.effective != 0 && c != nil {
		return c
	}
	return v.current
}

// call runs an exported function with its context as the current one. After a
// trap it returns 0 and the VM has failed.
func (v *vm) call(c *guestContext, fn api.Function, args ...uint64) uint64 {
	current, effective := v.current, v.effective
	v.current, v.effective = c, 0
	defer func() { v.current, v.effective = current, effective }()
	if v.watchdog.watches() && v.watchdog.enter() {
		defer v.watchdog.leave()
	}
	if v.rt.Faults.Load() != nil || v.rt.Trace != nil {
		return v.observedCall(fn, args)
	}
	return v.run(fn, args)
}

func (v *vm) run(fn api.Function, args []uint64) uint64 {
	var stack [5]uint64
	copy(stack[:], args)
	if err := fn.CallWithStack(v.ctx, stack[:]); err != nil {
		v.fail(err)
		return 0
	}
	return stack[0]
}

// observedCall is run with what tests want besides: a trap in its place, and lines
// about it.
func (v *vm) observedCall(fn api.Function, args []uint64) (result uint64) {
	v.trace.enter(fn, args)
	if v.rt.Faults.Load().Next(exportName(fn)) != nil {
		v.fail(fault.ErrTrap)
	} else {
		result = v.run(fn, args)
	}
	v.trace.leave(fn, result, v.failed != nil)
	return result
}

// enter runs a callback and then what its host calls have put off. It does nothing
// and answers 0 where the guest has no such callback or the VM has failed.
// stopped reports that a local reply overrides the answer.
func (v *vm) enter(c *guestContext, fn api.Function, args ...uint64) (result uint32, stopped bool) {
	if fn == nil || v.failed != nil {
		return 0, false
	}
	result = uint32(v.call(c, fn, args...))
	stopped, v.stopNext = v.stopNext, false
	v.runAfterCall()
	return result, stopped
}

func (v *vm) runAfterCall() {
	for len(v.afterCall) > 0 {
		f := v.afterCall[0]
		v.afterCall = v.afterCall[1:]
		f()
	}
}

// fail marks the VM as failed and logs why, once.
func (v *vm) fail(err error) {
	if v.failed != nil {
		return
	}
	reason, _, _ := strings.Cut(err.Error(), "\nwasm stack trace")
	var exit *sys.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitOverdue {
		reason = fmt.Sprintf("a call into the guest took longer than %s (Config.CallLimit)", v.rt.CallLimit)
	}
	v.failed = fmt.Errorf("%w: %s", errTrap, reason)
	v.rt.Log.Add(abi.Critical, "the VM failed: "+reason)
}
