package hostsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/callout"
	"cloakroom/hostsim/internal/metrics"
)

// newVM makes a VM on a thread and initializes it. The lock of the thread is held.
func newVM(ctx context.Context, rt *guestRuntime, t *thread, p *plugin) (*vm, error) {
	v := &vm{rt: rt, thread: t, id: p.VMID, env: p.Env, contexts: map[uint32]*guestContext{},
		metrics: metrics.NewTable(rt.Metrics)}
	v.ctx = context.WithValue(context.WithoutCancel(ctx), vmKey{}, v)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	module, err := rt.wazero.InstantiateModule(v.ctx, p.module, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLoad, err)
	}
	v.module, v.mem = module, memory{module.Memory()}
	v.trace = newTracer(rt, t.index)
	if limit := rt.CallLimit; limit > 0 {
		v.watchdog.watch(limit, func() { _ = module.CloseWithExitCode(v.ctx, exitOverdue) })
	}
	if v.exports, err = findExports(module); err != nil {
		return nil, err
	}
	return v, v.initialize()
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
