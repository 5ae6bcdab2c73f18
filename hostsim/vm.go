package hostsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
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
	worker  *guestWorker
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

	depth int // of calls into the guest, for a trace

	restricted bool  // only the calls allowed at start may be made
	failed     error // the trap that ended this VM
}

// newVM makes a VM for the worker and initializes it. The worker's lock is held.
func newVM(ctx context.Context, w *guestWorker, p *plugin) (*vm, error) {
	v := &vm{rt: w.rt, worker: w, id: p.VMID, env: p.Env, contexts: map[uint32]*guestContext{},
		metrics: metrics.NewTable(w.rt.Metrics)}
	v.ctx = context.WithValue(context.WithoutCancel(ctx), vmKey{}, v)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	module, err := w.rt.wazero.InstantiateModule(v.ctx, p.module, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLoad, err)
	}
	v.module, v.mem = module, memory{module.Memory()}
	if limit := w.rt.CallLimit; limit > 0 {
		v.watchdog.watch(limit, func() { _ = module.CloseWithExitCode(v.ctx, exitOverdue) })
	}
	if v.exports, err = findExports(module); err != nil {
		return nil, err
	}
	return v, v.initialize()
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
	traced := v.rt.Trace != nil
	if traced {
		v.traceEnter(fn, args)
	}
	v.depth++
	if v.rt.Faults.Load().Next(exportName(fn)) != nil {
		v.fail(fault.ErrTrap)
	} else {
		result = v.run(fn, args)
	}
	v.depth--
	if traced {
		v.traceLeave(fn, result)
	}
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

// initialize runs what the module runs first, in a context of its own.
func (v *vm) initialize() error {
	before := &guestContext{callouts: callout.NewState()}
	before.root = before
	e := v.exports
	v.restricted = true
	switch {
	case e.initialize != nil:
		v.call(before, e.initialize)
		if v.failed == nil && e.main != nil {
			v.call(before, e.main, 0, 0)
		} else if v.failed == nil && e.mainVoid != nil {
			v.call(before, e.mainVoid)
		}
	case e.start != nil:
		v.call(before, e.start)
	}
	v.restricted = false
	return v.failed
}

// startPlugin makes the plugin's root context and runs proxy_on_vm_start and
// proxy_on_configure in it.
func (v *vm) startPlugin(p *plugin) (*guestContext, error) {
	root := v.newContext(nil, nil)
	root.plugin = p
	v.enter(root, v.exports.contextCreate, uint64(root.id), 0)
	steps := []struct {
		name string
		fn   api.Function
		size int
		err  error
	}{
		{"proxy_on_vm_start", v.exports.vmStart, len(p.VMConfiguration), errStart},
		{"proxy_on_configure", v.exports.configure, len(p.Configuration), errConfigure},
	}
	for _, step := range steps {
		if step.fn == nil {
			continue
		}
		root.configuring = errors.Is(step.err, errConfigure)
		answer, _ := v.enter(root, step.fn, uint64(root.id), uint64(step.size))
		root.configuring = false
		if v.failed != nil {
			return nil, v.failed
		}
		if answer == 0 {
			return nil, fmt.Errorf("%w: %s answered false", step.err, step.name)
		}
	}
	return root, v.failed
}

// roots are the root contexts, oldest first.
func (v *vm) roots() []*guestContext {
	var roots []*guestContext
	for _, c := range v.contexts {
		if c.plugin != nil {
			roots = append(roots, c)
		}
	}
	slices.SortFunc(roots, func(a, b *guestContext) int { return cmp.Compare(a.id, b.id) })
	return roots
}

// stop ends the root contexts and everything that belongs to them.
func (v *vm) stop() {
	v.silence()
	for _, root := range v.roots() {
		v.enter(root, v.exports.done, uint64(root.id))
		v.enter(root, v.exports.delete, uint64(root.id))
	}
	if v.failed == nil {
		v.failed = errClosed
	}
}

// silence ends the root contexts' ticks and callouts, without a word to the guest.
func (v *vm) silence() {
	v.watchdog.end()
	for _, root := range v.roots() {
		root.tick.stop()
		root.callouts.CancelAll()
	}
}

// discard drops the VM and its memory: the guest hears nothing of it.
func (v *vm) discard(ctx context.Context) {
	v.silence()
	if v.failed == nil {
		v.failed = errClosed
	}
	_ = v.module.Close(ctx) // nothing but memory is given back
}
