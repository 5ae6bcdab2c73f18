package hostsim

import (
	"context"
	"time"

	"cloakroom/hostsim/internal/abi"
)

// handle is a plugin on one worker.
type handle struct {
	worker *guestWorker
	plugin *plugin
	vm     *vm
	root   *guestContext
	loaded time.Time
}

// load gives the plugin a VM, the worker's where there is one already, and starts
// and configures it there.
func (h *handle) load(ctx context.Context) error {
	h.loaded = h.worker.rt.Clock.Now()
	v := h.worker.vms[h.plugin.vmKey]
	if v == nil || v.failed != nil {
		var err error
		if v, err = newVM(ctx, h.worker.rt, &h.worker.thread, h.plugin); err != nil {
			return err
		}
		h.worker.vms[h.plugin.vmKey] = v
	}
	root, err := v.startPlugin(h.plugin)
	if err != nil {
		return err
	}
	h.vm, h.root = v, root
	return nil
}

// reload replaces a VM that has failed, unless it is too young for that. Streams
// that began in the old one have their answer from its failure.
func (h *handle) reload() {
	rt := h.worker.rt
	backoff := h.plugin.ReloadBackoff
	if backoff == 0 {
		backoff = defaultBackoff
	}
	if rt.Clock.Now().Sub(h.loaded) < backoff {
		return
	}
	old := h.vm
	if err := h.load(context.Background()); err != nil {
		rt.Log.Add(abi.Critical, "the VM could not be replaced: "+err.Error())
		return
	}
	rt.Log.Add(abi.Info, "the VM was replaced")
	old.discard(context.Background())
}
