package guest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
)

// defaultBackoff is the default of Plugin.ReloadBackoff.
const defaultBackoff = time.Second

// FailurePolicy is a hostsim.FailurePolicy.
type FailurePolicy int

// The policies, numbered as in hostsim.
const (
	FailClosed FailurePolicy = iota
	FailOpen
	FailReload
)

// Plugin is a hostsim.Plugin with its compiled module.
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
	vmKey  string // plugins with the same key share a VM
}

// vmKeyOf returns the key of the VM that a plugin runs in: all that the VM is created from,
// as in Envoy.
func vmKeyOf(p *Plugin) string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Env[name])
	}
	return fmt.Sprintf("%q %q %q %x", p.VMID, p.VMConfiguration, env, p.Wasm)
}
