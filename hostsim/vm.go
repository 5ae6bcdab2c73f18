package hostsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	host    *Host
	worker  *worker
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

// guestContext is one context of the guest: a plugin's root context, or a stream's.
type guestContext struct {
	id     uint32
	root   *guestContext
	plugin *plugin // of a root context
	filter *filter // of a stream's

	// Of a root context only:
	callouts    *callout.State
	configuring bool
	tick        ticker
}

// exports are the callbacks of the guest; nil where it has none.
type exports struct {
	initialize, main, mainVoid, start                 api.Function
	allocate                                          api.Function
	contextCreate, vmStart, configure                 api.Function
	tick, queueReady, calloutResponse                 api.Function
	grpcInitial, grpcReceive, grpcTrailing, grpcClose api.Function
	requestHeaders, requestBody, requestTrailers      api.Function
	responseHeaders, responseBody, responseTrailers   api.Function
	done, log, delete                                 api.Function
}

func findExports(m api.Module) (exports, error) {
	f := m.ExportedFunction
	e := exports{
		initialize: f("_initialize"), main: f("main"), mainVoid: f("__main_void"), start: f("_start"),
		allocate:      f("proxy_on_memory_allocate"),
		contextCreate: f("proxy_on_context_create"), vmStart: f("proxy_on_vm_start"), configure: f("proxy_on_configure"),
		tick: f("proxy_on_tick"), queueReady: f("proxy_on_queue_ready"), calloutResponse: f("proxy_on_http_call_response"),
		grpcInitial: f("proxy_on_grpc_receive_initial_metadata"), grpcReceive: f("proxy_on_grpc_receive"),
		grpcTrailing: f("proxy_on_grpc_receive_trailing_metadata"), grpcClose: f("proxy_on_grpc_close"),
		requestHeaders: f("proxy_on_request_headers"), requestBody: f("proxy_on_request_body"),
		requestTrailers: f("proxy_on_request_trailers"), responseHeaders: f("proxy_on_response_headers"),
		responseBody: f("proxy_on_response_body"), responseTrailers: f("proxy_on_response_trailers"),
		done: f("proxy_on_done"), log: f("proxy_on_log"), delete: f("proxy_on_delete"),
	}
	if malloc := f("malloc"); malloc != nil {
		e.allocate = malloc
	}
	if e.allocate == nil {
		return e, fmt.Errorf("%w: the module exports neither proxy_on_memory_allocate nor malloc", ErrLoad)
	}
	return e, nil
}

// newContext registers a context under the next free id.
func (v *vm) newContext(root *guestContext, f *filter) *guestContext {
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

// inEffect is the context that host calls work on.
func (v *vm) inEffect() *guestContext {
	if c := v.contexts[v.effective]; v.effective != 0 && c != nil {
		return c
	}
	return v.current
}

// streamOver returns the channel that is closed when the stream of that context ends, or
// nil for a root context.
func (v *vm) streamOver() <-chan struct{} {
	if f := v.inEffect().filter; f != nil {
		return f.s.over
	}
	return nil
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
	if v.host.faults.Load() != nil || v.host.cfg.Trace != nil {
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
	traced := v.host.cfg.Trace != nil
	if traced {
		v.traceEnter(fn, args)
	}
	v.depth++
	if v.host.faults.Load().Next(exportName(fn)) != nil {
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
		reason = fmt.Sprintf("a call into the guest took longer than %s (Config.CallLimit)", v.host.cfg.CallLimit)
	}
	v.failed = fmt.Errorf("%w: %s", ErrTrap, reason)
	v.host.log.Add(abi.Critical, "the VM failed: "+reason)
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
		{"proxy_on_vm_start", v.exports.vmStart, len(p.VMConfiguration), ErrStart},
		{"proxy_on_configure", v.exports.configure, len(p.Configuration), ErrConfigure},
	}
	for _, step := range steps {
		if step.fn == nil {
			continue
		}
		root.configuring = errors.Is(step.err, ErrConfigure)
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

// queueReady tells a plugin that its queue has an entry.
func (v *vm) queueReady(root *guestContext, token uint32) {
	v.worker.do(func() { v.enter(root, v.exports.queueReady, uint64(root.id), uint64(token)) })
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
