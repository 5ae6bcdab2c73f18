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
	Root   *Context  // the plugin's root context in VM
	loaded time.Time // when VM was loaded
}

// load starts and configures the plugin in the VM that it shares on this worker, or in a new
// one.
func (i *Instance) load(ctx context.Context) error {
	i.loaded = i.rt.Clock.Now()
	v := i.vms[i.Plugin.vmKey]
	if v == nil || v.Failed != nil {
		var err error
		if v, err = newVM(ctx, i.rt, i.thread, i.Plugin); err != nil {
			return err
		}
		i.vms[i.Plugin.vmKey] = v
	}
	root, err := v.startPlugin(i.Plugin)
	if err != nil {
		return err
	}
	i.VM, i.Root = v, root
	return nil
}

// ForStream returns the VM and the root context for a new stream. vm is nil if the VM has
// failed; bypass reports whether the stream then passes without the plugin. The worker's lock
// is held.
func (i *Instance) ForStream() (vm *VM, root *Context, bypass bool) {
	if i.VM.Failed != nil && i.Plugin.FailurePolicy == FailReload {
		i.reload()
	}
	if i.VM.Failed != nil {
		return nil, nil, i.Plugin.FailurePolicy == FailOpen
	}
	return i.VM, i.Root, false
}

// reload replaces a VM that has failed, unless it is younger than the backoff. Streams of the
// old VM keep it.
func (i *Instance) reload() {
	rt := i.rt
	backoff := i.Plugin.ReloadBackoff
	if backoff == 0 {
		backoff = defaultBackoff
	}
	if rt.Clock.Now().Sub(i.loaded) < backoff {
		return
	}
	old := i.VM
	if err := i.load(context.Background()); err != nil {
		rt.Log.Add(abi.Critical, "the VM could not be replaced: "+err.Error())
		return
	}
	rt.Log.Add(abi.Info, "the VM was replaced")
	old.discard(context.Background())
}
