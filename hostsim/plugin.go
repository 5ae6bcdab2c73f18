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

// defaultBackoff is the least age of a VM that is replaced, unless the plugin sets one.
const defaultBackoff = time.Second

// failurePolicy is what happens to streams that begin after the VM has failed.
type failurePolicy int

const (
	failClosed failurePolicy = iota // 503
	failOpen                        // they pass without the filter
	failReload                      // they get a new VM; 503 while the old one is too young
)

// plugin is one plugin, as hostsim.Plugin documents it, with its module.
type plugin struct {
	Wasm            []byte
	Configuration   []byte
	VMConfiguration []byte
	Name            string
	RootID          string
	VMID            string
	Env             map[string]string
	FailurePolicy   failurePolicy
	ReloadBackoff   time.Duration

	module wazero.CompiledModule
	vmKey  string // plugins of one key share a VM
}

// handle is a plugin on one worker.
type handle struct {
	worker *guestWorker
	plugin *plugin
	vm     *vm
	root   *guestContext
	loaded time.Time
}

// vmKeyOf is as Envoy's: what a VM is made of.
func vmKeyOf(p *plugin) string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Env[name])
	}
	return fmt.Sprintf("%q %q %q %x", p.VMID, p.VMConfiguration, env, p.Wasm)
}

// load gives the plugin a VM, the worker's where there is one already, and starts
// and configures it there.
func (h *handle) load(ctx context.Context) error {
	h.loaded = h.worker.rt.Clock.Now()
	v := h.worker.vms[h.plugin.vmKey]
	if v == nil || v.failed != nil {
		var err error
		if v, err = newVM(ctx, h.worker, h.plugin); err != nil {
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
