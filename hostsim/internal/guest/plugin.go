package guest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
)

// defaultBackoff is the least age of a VM that is replaced, unless the plugin sets one.
const defaultBackoff = time.Second

// FailurePolicy is what happens to streams that begin after the VM has failed.
type FailurePolicy int

const (
	failClosed FailurePolicy = iota // 503
	FailOpen                        // they pass without the filter
	FailReload                      // they get a new VM; 503 while the old one is too young
)

// Plugin is one plugin, as hostsim.Plugin documents it, with its module.
type Plugin struct {
	Wasm            []byte
	Configuration   []byte
	VMConfiguration []byte
	Name            string
	RootID          string
	VMID            string
	Env             map[string]string
	FailurePolicy   FailurePolicy
	ReloadBackoff   time.Duration

	module wazero.CompiledModule
	vmKey  string // plugins of one key share a VM
}

// vmKeyOf is as Envoy's: what a VM is made of.
func vmKeyOf(p *Plugin) string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Env[name])
	}
	return fmt.Sprintf("%q %q %q %x", p.VMID, p.VMConfiguration, env, p.Wasm)
}
