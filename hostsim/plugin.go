package hostsim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"

	"cloakroom/hostsim/internal/abi"
)

// plugin is a Plugin with its module.
type plugin struct {
	Plugin
	module wazero.CompiledModule
	vmKey  string // plugins of one key share a VM
}

// handle is a plugin on one worker.
type handle struct {
	worker *worker
	plugin *plugin
	vm     *vm
	root   *guestContext
	loaded time.Time
}

// vmKeyOf is as Envoy's: what a VM is made of.
func vmKeyOf(p Plugin) string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Env[name])
	}
	return fmt.Sprintf("%q %q %q %x", p.VMID, p.VMConfiguration, env, p.Wasm)
}

// load gives the plugin a VM, the worker's where there is one already, and starts
// and configures it there.
func (h *handle) load(ctx context.Context) error {
	h.loaded = h.worker.host.now()
	v := h.worker.vms[h.plugin.vmKey]
	if v == nil || v.failed != nil {
		var err error
		if v, err = h.worker.newVM(ctx, h.plugin); err != nil {
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
	host := h.worker.host
	backoff := h.plugin.ReloadBackoff
	if backoff == 0 {
		backoff = defaultBackoff
	}
	if host.now().Sub(h.loaded) < backoff {
		return
	}
	old := h.vm
	if err := h.load(context.Background()); err != nil {
		host.log.Add(abi.Critical, "the VM could not be replaced: "+err.Error())
		return
	}
	host.log.Add(abi.Info, "the VM was replaced")
	old.discard(context.Background())
}
