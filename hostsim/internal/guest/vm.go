// Package guest runs plugins: it loads their modules and calls their callbacks in VMs on
// wazero.
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

// VM is one instance of a module with its contexts. Its methods need the thread's lock.
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
	lastID   uint32 // of a context
	lastCall uint32 // the number of the last callout

	Current   *Context // of the callback that runs
	effective uint32   // the id of the context that the guest selected in its place, or 0

	deferred []func() // what host calls do once the guest has returned
	replied  bool     // a local reply overrides the result of the callback

	watchdog watchdog

	trace tracer

	restricted bool  // the guest may make only host calls that are allowed at the start
	Failed     error // why the VM has ended, or nil
}

// NewContext returns a context with the next free id: of a stream, or without a root and a
// filter a root context.
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

// DeleteContext removes a context after its last callback.
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

// Effective returns the context that host calls work on.
func (v *VM) Effective() *Context {
	if c := v.Contexts[v.effective]; v.effective != 0 && c != nil {
		return c
	}
	return v.Current
}

// call calls an exported function with c as the current context. If the guest traps, it
// returns 0 and sets Failed.
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

// run calls an exported function.
func (v *VM) run(fn api.Function, args []uint64) uint64 {
	var stack [5]uint64
	copy(stack[:], args)
	if err := fn.CallWithStack(v.ctx, stack[:]); err != nil {
		v.fail(err)
		return 0
	}
	return stack[0]
}

// observedCall is run with lines in the trace. A fault that happens replaces the call by a
// trap.
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

// Callback calls a callback of the guest in context c, and then what its host calls deferred.
// If fn is nil or the VM has failed it returns 0. replied reports that a local reply overrides
// the result.
func (v *VM) Callback(c *Context, fn api.Function, args ...uint64) (result uint32, replied bool) {
	if fn == nil || v.Failed != nil {
		return 0, false
	}
	result = uint32(v.call(c, fn, args...))
	replied, v.replied = v.replied, false
	v.runDeferred()
	return result, replied
}

// runDeferred calls what was passed to Defer.
func (v *VM) runDeferred() {
	for len(v.deferred) > 0 {
		f := v.deferred[0]
		v.deferred = v.deferred[1:]
		f()
	}
}

// Defer schedules f for when the guest has returned from the callback.
func (v *VM) Defer(f func()) { v.deferred = append(v.deferred, f) }

// OverrideResult makes Callback report that a local reply overrides the result.
func (v *VM) OverrideResult() { v.replied = true }

// Invoke calls an exported function by its name in context c, and then what its host calls
// deferred. Tests use it, with a module that exports its imports, to make host calls.
func (v *VM) Invoke(c *Context, name string, args ...uint64) ([]uint64, error) {
	v.Current, v.effective = c, 0
	results, err := v.module.ExportedFunction(name).Call(v.ctx, args...)
	v.Current = nil
	v.runDeferred()
	return results, err
}

// fail sets Failed and logs the reason, once.
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
