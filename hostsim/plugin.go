package hostsim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
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

// vmKeyOf is as Envoy's: what a VM is made of.
func vmKeyOf(p *plugin) string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Env[name])
	}
	return fmt.Sprintf("%q %q %q %x", p.VMID, p.VMConfiguration, env, p.Wasm)
}
