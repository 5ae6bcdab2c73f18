package guest

import (
	"context"
	"errors"
)

// Worker is a worker thread with its VMs.
type Worker struct {
	thread
	rt        *Runtime
	vms       map[string]*VM // by Plugin.vmKey
	Instances []*Instance    // in the order of the plugins
}

// NewWorker returns a worker without VMs.
func (r *Runtime) NewWorker(index int) *Worker {
	return &Worker{thread: thread{index: index}, rt: r, vms: map[string]*VM{}}
}

// Load starts and configures the plugins.
func (w *Worker) Load(ctx context.Context, plugins []*Plugin) error {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for _, p := range plugins {
		h := w.newInstance(p)
		if err := h.load(ctx); err != nil {
			return err
		}
		w.Instances = append(w.Instances, h)
	}
	return nil
}

// newInstance returns an instance that has not been loaded.
func (w *Worker) newInstance(p *Plugin) *Instance {
	return &Instance{Plugin: p, rt: w.rt, thread: &w.thread, vms: w.vms}
}

// Try initializes each VM once as a base VM, and starts and configures each plugin once in a
// canary, as Envoy does before it starts the workers.
func (r *Runtime) Try(ctx context.Context, plugins []*Plugin) error {
	bases := map[string]bool{}
	for _, p := range plugins {
		if err := r.tryOne(ctx, p, !bases[p.vmKey]); err != nil {
			return err
		}
		bases[p.vmKey] = true
	}
	return nil
}

// tryOne tries a plugin in a canary, after a base VM if withBase is set.
func (r *Runtime) tryOne(ctx context.Context, p *Plugin, withBase bool) error {
	w := r.NewWorker(-1)
	w.Mu.Lock()
	defer w.Mu.Unlock()
	if withBase {
		base, err := newVM(ctx, r, &w.thread, p)
		if err != nil {
			return err
		}
		base.discard(ctx)
	}
	canary := w.newInstance(p)
	if err := canary.load(ctx); err != nil {
		return err
	}
	canary.VM.discard(ctx)
	return nil
}

// Failed returns the trap that ended a VM and that no reload followed, or nil.
func (w *Worker) Failed() (err error) {
	w.Do(func() {
		for _, h := range w.Instances {
			if failed := h.VM.Failed; failed != nil && !errors.Is(failed, errClosed) {
				err = failed
				return
			}
		}
	})
	return err
}

// Stop ends the VMs. The worker's lock is held.
func (w *Worker) Stop() {
	for _, v := range w.vms {
		v.stop()
	}
}
