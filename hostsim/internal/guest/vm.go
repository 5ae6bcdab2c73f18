package guest

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

// VM is one instance of the module with its contexts. It runs on one thread at a
// time: whoever calls in holds the worker's lock.
type VM struct {
	Runtime *Runtime
	Thread  *thread
	ID      string // the vm_id
	Env     map[string]string
	ctx     context.Context
	module  api.Module
	Memory  memory
	Exports Exports
	Metrics *metrics.Table

	Contexts map[uint32]*Context
	lastID   uint32
	lastCall uint32

	// The context of the callback that runs now, and the one that the guest chose
	// in its place; the choice ends with the callback.
	Current   *Context
	effective uint32

	deferred []func() // what host calls do once the guest has returned
	replied  bool     // a local reply overrides the result of the callback

	watchdog watchdog

	trace tracer

	restricted bool  // only the calls allowed at start may be made
	Failed     error // the trap that ended this VM
}

// NewContext registers a context under the next free id.
func (v *VM) NewContext(root *Context, f Filter) *Context {
	for v.lastID++; v.lastID == 0 || v.Contexts[v.lastID] != nil; {
		v.lastID++
	}
	c := &Context{ID: v.lastID, Root: root, Filter: f}
	if root == nil {
		c.Root = c
		c.Callouts = callout.NewState()
	}
	v.Contexts[c.ID] = c
	return c
}

// DeleteContext removes a context, whose callbacks have run.
func (v *VM) DeleteContext(c *Context) { delete(v.Contexts, c.ID) }

// NextCallout returns the number of the next callout.
func (v *VM) NextCallout() uint32 {
	v.lastCall++
	return v.lastCall
}

// SetEffective makes host calls work on another context until the callback returns.
func (v *VM) SetEffective(id uint32) abi.Status {
	if v.Contexts[id] == nil {
		return abi.BadArgument
	}
	v.effective = id
	return abi.OK
}

// Effective is the context that host calls work on.
func (v *VM) Effective() *Context {
	if c := v.Contexts[v.effective]; v.effective != 0 && c != nil {
		return c
	}
	return v.Current
}

// call runs an exported function with its context as the current one. After a
// trap it returns 0 and the VM has failed.
func (v *VM) call(c *Context, fn api.Function, args ...uint64) uint64 {
	current, effective := v.Current, v.effective
	v.Current, v.effective = c, 0
	defer func() { v.Current, v.effective = current, effective }()
	if v.watchdog.watches() && v.watchdog.enter() {
		defer v.watchdog.leave()
	}
	if v.Runtime.Faults.Load() != nil || v.Runtime.Trace != nil {
		return v.observedCall(fn, args)
	}
	return v.run(fn, args)
}

func (v *VM) run(fn api.Function, args []uint64) uint64 {
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
func (v *VM) observedCall(fn api.Function, args []uint64) (result uint64) {
	v.trace.enter(fn, args)
	if v.Runtime.Faults.Load().Next(exportName(fn)) != nil {
		v.fail(fault.ErrTrap)
	} else {
		result = v.run(fn, args)
	}
	v.trace.leave(fn, result, v.Failed != nil)
	return result
}

// Callback runs a callback and then what its host calls have put off. It does nothing
// and answers 0 where the guest has no such callback or the VM has failed.
// replied reports that a local reply overrides the answer.
func (v *VM) Callback(c *Context, fn api.Function, args ...uint64) (result uint32, replied bool) {
	if fn == nil || v.Failed != nil {
		return 0, false
	}
	result = uint32(v.call(c, fn, args...))
	replied, v.replied = v.replied, false
	v.runDeferred()
	return result, replied
}

func (v *VM) runDeferred() {
	for len(v.deferred) > 0 {
		f := v.deferred[0]
		v.deferred = v.deferred[1:]
		f()
	}
}

// Defer makes f run once the guest has returned from the callback.
func (v *VM) Defer(f func()) { v.deferred = append(v.deferred, f) }

// OverrideResult makes the result of the callback without effect.
func (v *VM) OverrideResult() { v.replied = true }

// Invoke calls a function that the module exports, with c as the context of its host
// calls, and then runs what they deferred. With a module that exports its imports, tests
// make host calls by it.
func (v *VM) Invoke(c *Context, name string, args ...uint64) ([]uint64, error) {
	v.Current, v.effective = c, 0
	results, err := v.module.ExportedFunction(name).Call(v.ctx, args...)
	v.Current = nil
	v.runDeferred()
	return results, err
}

// fail marks the VM as failed and logs why, once.
func (v *VM) fail(err error) {
	if v.Failed != nil {
		return
	}
	reason, _, _ := strings.Cut(err.Error(), "\nwasm stack trace")
	var exit *sys.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitOverdue {
		reason = fmt.Sprintf("a call into the guest took longer than %s (Config.CallLimit)", v.Runtime.CallLimit)
	}
	v.Failed = fmt.Errorf("%w: %s", ErrTrap, reason)
	v.Runtime.Log.Add(abi.Critical, "the VM failed: "+reason)
}
