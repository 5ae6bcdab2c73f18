package guest

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

// newVM returns an initialized VM on a thread, whose lock is held.
func newVM(ctx context.Context, rt *Runtime, t *thread, p *Plugin) (*VM, error) {
	v := &VM{Runtime: rt, Thread: t, ID: p.VMID, Env: p.Env, Contexts: map[uint32]*Context{},
		Metrics: metrics.NewTable(rt.Metrics)}
	v.ctx = context.WithValue(context.WithoutCancel(ctx), vmKey{}, v)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	module, err := rt.wazero.InstantiateModule(v.ctx, p.module, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLoad, err)
	}
	v.module, v.Memory = module, memory{module.Memory()}
	v.trace = newTracer(rt, t.index)
	if limit := rt.CallLimit; limit > 0 {
		v.watchdog.watch(limit, func() { _ = module.CloseWithExitCode(v.ctx, exitOverdue) })
	}
	if v.Exports, err = findExports(module); err != nil {
		return nil, err
	}
	return v, v.initialize()
}

// initialize calls the module's start functions, in a context without a plugin.
func (v *VM) initialize() error {
	before := &Context{Callouts: callout.NewState()}
	before.Root = before
	e := v.Exports
	v.restricted = true
	switch {
	case e.initialize != nil:
		v.call(before, e.initialize)
		if v.Failed == nil && e.main != nil {
			v.call(before, e.main, 0, 0)
		} else if v.Failed == nil && e.mainVoid != nil {
			v.call(before, e.mainVoid)
		}
	case e.start != nil:
		v.call(before, e.start)
	}
	v.restricted = false
	return v.Failed
}

// startPlugin creates the plugin's root context and calls proxy_on_vm_start and
// proxy_on_configure in it.
func (v *VM) startPlugin(p *Plugin) (*Context, error) {
	root := v.NewContext(nil, nil)
	root.Plugin = p
	v.Callback(root, v.Exports.ContextCreate, uint64(root.ID), 0)
	steps := []struct {
		name string
		fn   api.Function
		size int
		err  error
	}{
		{"proxy_on_vm_start", v.Exports.vmStart, len(p.VMConfiguration), ErrStart},
		{"proxy_on_configure", v.Exports.configure, len(p.Configuration), ErrConfigure},
	}
	for _, step := range steps {
		if step.fn == nil {
			continue
		}
		root.Configuring = errors.Is(step.err, ErrConfigure)
		result, _ := v.Callback(root, step.fn, uint64(root.ID), uint64(step.size))
		root.Configuring = false
		if v.Failed != nil {
			return nil, v.Failed
		}
		if result == 0 {
			return nil, fmt.Errorf("%w: %s returned false", step.err, step.name)
		}
	}
	return root, v.Failed
}

// roots returns the root contexts, oldest first.
func (v *VM) roots() []*Context {
	var roots []*Context
	for _, c := range v.Contexts {
		if c.Plugin != nil {
			roots = append(roots, c)
		}
	}
	slices.SortFunc(roots, func(a, b *Context) int { return cmp.Compare(a.ID, b.ID) })
	return roots
}

// stop ends the root contexts, with their last callbacks.
func (v *VM) stop() {
	v.cancelPending()
	for _, root := range v.roots() {
		v.Callback(root, v.Exports.Done, uint64(root.ID))
		v.Callback(root, v.Exports.Delete, uint64(root.ID))
	}
	if v.Failed == nil {
		v.Failed = errClosed
	}
}

// cancelPending cancels the ticks and callouts of the root contexts. The guest gets no
// callback for them.
func (v *VM) cancelPending() {
	v.watchdog.end()
	for _, root := range v.roots() {
		root.tick.stop()
		root.Callouts.CancelAll()
	}
}

// discard frees the VM, without any callback.
func (v *VM) discard(ctx context.Context) {
	v.cancelPending()
	if v.Failed == nil {
		v.Failed = errClosed
	}
	_ = v.module.Close(ctx) // it only frees memory
}
