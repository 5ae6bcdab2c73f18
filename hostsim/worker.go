package hostsim

import (
	"context"
	"errors"
)

// guestWorker is a thread with its VMs.
type guestWorker struct {
	thread
	rt      *guestRuntime
	vms     map[string]*vm // by plugin.vmKey
	handles []*handle      // in the order of Config.Plugins
}

// newWorker returns a worker without VMs.
func (r *guestRuntime) newWorker(index int) *guestWorker {
	return &guestWorker{thread: thread{index: index}, rt: r, vms: map[string]*vm{}}
}

// load starts and configures the plugins.
func (w *guestWorker) load(ctx context.Context, plugins []*plugin) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range plugins {
		h := &handle{worker: w, plugin: p}
		if err := h.load(ctx); err != nil {
			return err
		}
		w.handles = append(w.handles, h)
	}
	return nil
}

// try runs each plugin in a canary, on no worker, and initializes the module of each VM in
// a base VM before.
func (r *guestRuntime) try(ctx context.Context, plugins []*plugin) error {
	bases := map[string]bool{}
	for _, p := range plugins {
		if err := r.tryOne(ctx, p, !bases[p.vmKey]); err != nil {
			return err
		}
		bases[p.vmKey] = true
	}
	return nil
}

func (r *guestRuntime) tryOne(ctx context.Context, p *plugin, withBase bool) error {
	w := r.newWorker(-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if withBase {
		base, err := newVM(ctx, r, &w.thread, p)
		if err != nil {
			return err
		}
		base.discard(ctx)
	}
	canary := &handle{worker: w, plugin: p}
	if err := canary.load(ctx); err != nil {
		return err
	}
	canary.vm.discard(ctx)
	return nil
}

// failed returns the trap that ended a VM of this worker which has not been replaced, or nil.
func (w *guestWorker) failed() (err error) {
	w.do(func() {
		for _, h := range w.handles {
			if failed := h.vm.failed; failed != nil && !errors.Is(failed, errClosed) {
				err = failed
				return
			}
		}
	})
	return err
}

// stop ends the VMs. The worker's lock is held.
func (w *guestWorker) stop() {
	for _, v := range w.vms {
		v.stop()
	}
}
