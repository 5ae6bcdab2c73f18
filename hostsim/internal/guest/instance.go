package guest

import (
	"context"
	"time"

	"cloakroom/hostsim/internal/abi"
)

// Instance is a plugin on one worker.
type Instance struct {
	rt     *Runtime
	thread *thread
	vms    map[string]*VM // of the worker, by Plugin.vmKey
	Plugin *Plugin
	VM     *VM
	Root   *Context
	loaded time.Time
}

// load gives the plugin a VM, the worker's where there is one already, and starts
// and configures it there.
func (h *Instance) load(ctx context.Context) error {
	h.loaded = h.rt.Clock.Now()
	v := h.vms[h.Plugin.vmKey]
	if v == nil || v.Failed != nil {
		var err error
		if v, err = newVM(ctx, h.rt, h.thread, h.Plugin); err != nil {
			return err
		}
		h.vms[h.Plugin.vmKey] = v
	}
	root, err := v.startPlugin(h.Plugin)
	if err != nil {
		return err
	}
	h.VM, h.Root = v, root
	return nil
}

// ForStream returns the VM and the root context for a stream that begins. vm is nil if the
// VM has failed; bypass reports whether the stream then passes without the plugin.
func (h *Instance) ForStream() (vm *VM, root *Context, bypass bool) {
	if h.VM.Failed != nil && h.Plugin.FailurePolicy == FailReload {
		h.reload()
	}
	if h.VM.Failed != nil {
		return nil, nil, h.Plugin.FailurePolicy == FailOpen
	}
	return h.VM, h.Root, false
}

// reload replaces a VM that has failed, unless it is too young for that. Streams
// that began in the old one have their answer from its failure.
func (h *Instance) reload() {
	rt := h.rt
	backoff := h.Plugin.ReloadBackoff
	if backoff == 0 {
		backoff = defaultBackoff
	}
	if rt.Clock.Now().Sub(h.loaded) < backoff {
		return
	}
	old := h.VM
	if err := h.load(context.Background()); err != nil {
		rt.Log.Add(abi.Critical, "the VM could not be replaced: "+err.Error())
		return
	}
	rt.Log.Add(abi.Info, "the VM was replaced")
	old.discard(context.Background())
}
