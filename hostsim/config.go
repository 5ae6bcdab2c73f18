package hostsim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/property"
	"cloakroom/hostsim/internal/stream"
)

// The reasons for which New refuses to start a host, or a host fails afterwards.
var (
	// ErrLoad reports a module that Envoy would not load.
	ErrLoad = guest.ErrLoad
	// ErrStart reports that proxy_on_vm_start returned false.
	ErrStart = guest.ErrStart
	// ErrConfigure reports that proxy_on_configure returned false.
	ErrConfigure = guest.ErrConfigure
	// ErrTrap reports that the guest trapped, which ended its VM.
	ErrTrap = guest.ErrTrap
)

// Limits of Envoy's where the configuration says nothing.
const (
	defaultBufferLimit  = 1 << 20          // bytes, per_connection_buffer_limit_bytes
	defaultCalloutLimit = 32 << 20         // bytes, http.async_response_buffer_limit
	defaultTimeout      = 15 * time.Second // of a route
)

// Config says what a host runs. Only Plugins is needed.
type Config struct {
	Plugins  []Plugin           // in the order in which requests pass them, as in http_filters
	Routes   []Route            // the first that matches wins; where none does, 404
	Clusters map[string]Cluster // by name: where requests and callouts go

	VirtualHost string // property xds.virtual_host_name

	Workers int // threads, each with VMs of its own; 0 is one
	// Balance chooses the worker of a request, from 0 on; nil lets them take turns.
	Balance func(*http.Request) int

	LogLevel     Level // lines below it are dropped; the zero value keeps all
	BufferLimit  int   // bytes that a paused body may hold; 0 is 1 MiB
	CalloutLimit int   // bytes of a callout's answer; 0 is 32 MiB
	Trailers     bool  // HTTP/1.1 trailers pass too; Envoy drops them by default

	// OldWASI offers the 18 functions of WASI that Envoys from before April 2026
	// have, and not the 45 of later ones: a module that imports another does not
	// load.
	OldWASI bool

	// CallLimit is how long one call into the guest may take; a longer one ends
	// as a trap does. 0 is no limit, as in Envoy. With one the guest's code looks
	// for its end in every loop and is about three times as slow.
	CallLimit time.Duration

	Faults   Faults              // what is to go wrong
	Trace    func(line string)   // gets a line for each call into a guest and out of it; see Transcript
	Clock    Clock               // the time of guests, ticks and time-outs; nil is the machine's
	Log      func(Level, string) // gets each log line in turn; must not call the host
	CacheDir string              // keeps compiled modules between processes; "" keeps them in memory
}

// Plugin is one filter of the chain. Only Wasm is needed. Plugins with the same
// module, VMID, VMConfiguration and Env share one VM on each worker, as in Envoy.
type Plugin struct {
	Wasm            []byte            // the module
	Configuration   []byte            // as proxy_on_configure finds it
	VMConfiguration []byte            // as proxy_on_vm_start finds it
	Name            string            // property plugin_name
	RootID          string            // property plugin_root_id
	VMID            string            // property plugin_vm_id, and the owner of shared data
	Env             map[string]string // the VM's environment
	FailurePolicy   FailurePolicy
	// ReloadBackoff is how old a VM has to be at least before FailReload replaces
	// it; 0 is 1 s. Envoy lengthens it at random by up to a half.
	ReloadBackoff time.Duration
}

// FailurePolicy is what becomes of streams that begin after the VM has failed. Those
// that were under way get 503 at their next callback in any case.
type FailurePolicy int

// The zero value denies.
const (
	FailClosed FailurePolicy = iota // 503
	FailOpen                        // they pass without the filter
	FailReload                      // they get a new VM; 503 while the old one is too young
)

var policyNames = [...]string{FailClosed: "FAIL_CLOSED", FailOpen: "FAIL_OPEN", FailReload: "FAIL_RELOAD"}

// UnmarshalText reads Envoy's name of a policy.
func (p *FailurePolicy) UnmarshalText(text []byte) error {
	i := slices.Index(policyNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("failure policy %q: want %s", text, strings.Join(policyNames[:], ", "))
	}
	*p = FailurePolicy(i)
	return nil
}

// Route tells where requests go and what the filter finds out about it.
type Route struct {
	Name    string // property xds.route_name
	Path    string // the whole path without the query, or
	Prefix  string // its beginning; a route with neither matches nothing
	Cluster string // a name in Config.Clusters
	// Timeout bounds the upstream's whole answer, from the end of the request on: 504
	// before the answer's head, a reset after it. 0 is Envoy's 15 s, negative is none.
	Timeout time.Duration
	// Metadata is the route's filter_metadata: by namespace, values as of JSON.
	Metadata map[string]map[string]any
}

// Cluster is where requests go: see Handler and URL.
type Cluster struct {
	base    string
	handler http.Handler
}

// Handler is a cluster that h serves in this process, over HTTP/1.1 and pipes
// without a network. Panicking with http.ErrAbortHandler resets the connection.
func Handler(h http.Handler) Cluster { return Cluster{handler: h} }

// URL is a cluster behind "http://host:port". Nobody needs to listen there: then
// requests get the 503 that Envoy answers.
func URL(base string) Cluster { return Cluster{base: base} }

// completeConfig is a Config that was checked, with the defaults in it.
type completeConfig struct {
	Config
	routes []stream.Route
}

// withDefaults returns the configuration with the defaults where a field is zero.
func (c Config) withDefaults() (completeConfig, error) {
	out := completeConfig{Config: c}
	if len(c.Plugins) == 0 {
		return out, fmt.Errorf("%w: Config.Plugins is empty", ErrLoad)
	}
	for i, p := range c.Plugins {
		if len(p.Wasm) == 0 {
			return out, fmt.Errorf("%w: Config.Plugins[%d].Wasm is empty", ErrLoad, i)
		}
	}
	out.Workers = cmp.Or(c.Workers, 1)
	out.BufferLimit = cmp.Or(c.BufferLimit, defaultBufferLimit)
	out.CalloutLimit = cmp.Or(c.CalloutLimit, defaultCalloutLimit)
	if c.Clock == nil {
		out.Clock = clock.System{}
	}
	for _, r := range c.Routes {
		metadata, err := property.Metadata(r.Metadata)
		if err != nil {
			return out, fmt.Errorf("hostsim: metadata of route %q: %w", r.Name, err)
		}
		out.routes = append(out.routes, stream.Route{
			Name: r.Name, Path: r.Path, Prefix: r.Prefix, Cluster: r.Cluster,
			Timeout: cmp.Or(r.Timeout, defaultTimeout), Metadata: metadata,
		})
	}
	return out, nil
}

// plugins returns the plugins for the runtime.
func (c *Config) plugins() []*guest.Plugin {
	out := make([]*guest.Plugin, len(c.Plugins))
	for i, p := range c.Plugins {
		out[i] = &guest.Plugin{
			Wasm: p.Wasm, Configuration: p.Configuration, VMConfiguration: p.VMConfiguration,
			Name: p.Name, RootID: p.RootID, VMID: p.VMID, Env: p.Env,
			FailurePolicy: guest.FailurePolicy(p.FailurePolicy), ReloadBackoff: p.ReloadBackoff,
		}
	}
	return out
}
