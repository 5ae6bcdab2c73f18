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

// Envoy's defaults.
const (
	defaultBufferLimit  = 1 << 20          // bytes, per_connection_buffer_limit_bytes
	defaultCalloutLimit = 32 << 20         // bytes, http.async_response_buffer_limit
	defaultTimeout      = 15 * time.Second // of a route
)

// Config is the configuration of a Host. Only Plugins is required.
type Config struct {
	Plugins  []Plugin           // in the order in which requests pass them, as in http_filters
	Routes   []Route            // the first that matches is used; without one the response is 404
	Clusters map[string]Cluster // the upstreams of requests and callouts, by name

	VirtualHost string // property xds.virtual_host_name

	Workers int // number of threads, each with VMs of its own; 0 is one
	// Balance returns the worker for a request, from 0 on; nil is round robin.
	Balance func(*http.Request) int

	LogLevel     Level // lines below it are dropped
	BufferLimit  int   // bytes of a paused body, at most; 0 is 1 MiB
	CalloutLimit int   // bytes of a callout's response, at most; 0 is 32 MiB
	Trailers     bool  // passes HTTP/1.1 trailers, which Envoy drops by default

	// OldWASI offers only the 18 functions of WASI that Envoy had before April 2026, instead
	// of 45. A module that imports another one does not load.
	OldWASI bool

	// CallLimit is the duration of one call into a guest, at most; a longer call ends as a trap
	// does. 0 is no limit, as in Envoy. A limit makes guests about three times as slow, because
	// they check it in every loop.
	CallLimit time.Duration

	Faults    Faults              // see Fault
	Trace     func(line string)   // gets a line for each call into a guest and out of it; see Transcript
	AccessLog func(AccessEntry)   // gets each stream that has ended, one at a time; must not call the Host
	Clock     Clock               // nil is the clock of the operating system
	Log       func(Level, string) // gets each log line, one at a time; must not call the Host
	CacheDir  string              // directory for compiled modules; "" keeps them in memory
}

// AccessEntry is what an access log can show of a stream.
type AccessEntry struct {
	Request map[string][]string // its headers as filters left them, by names in lower case
	Status  int                 // of the response; 0 if there was none
	Details string              // Envoy's %RESPONSE_CODE_DETAILS%
	// FilterState has what plugins have set, by its name in Envoy: wasm.<name> is proxy_set_property's.
	FilterState map[string]string
}

// Plugin is one filter of the chain. Only Wasm is required. Plugins with the same module,
// VMID, VMConfiguration and Env share one VM on each worker, as in Envoy.
type Plugin struct {
	Wasm            []byte            // the module
	Configuration   []byte            // for proxy_on_configure
	VMConfiguration []byte            // for proxy_on_vm_start
	Name            string            // property plugin_name
	RootID          string            // property plugin_root_id
	VMID            string            // property plugin_vm_id, and the namespace of shared data
	Env             map[string]string // the VM's environment
	FailurePolicy   FailurePolicy
	// ReloadBackoff is the age of a VM, at least, for FailReload to replace it; 0 is 1 s.
	// Envoy adds up to a half of it at random.
	ReloadBackoff time.Duration
}

// FailurePolicy is how streams are handled that begin after the VM of a plugin has failed.
// Streams that began before get 503 at their next callback under each policy.
type FailurePolicy int

// The policies, as in Envoy. The zero value is FailClosed.
const (
	FailClosed FailurePolicy = iota // they get 503
	FailOpen                        // they pass without the plugin
	FailReload                      // they get a new VM, or 503 during Plugin.ReloadBackoff
)

var policyNames = [...]string{FailClosed: "FAIL_CLOSED", FailOpen: "FAIL_OPEN", FailReload: "FAIL_RELOAD"}

// UnmarshalText sets the policy by Envoy's name, for example FAIL_OPEN.
func (p *FailurePolicy) UnmarshalText(text []byte) error {
	i := slices.Index(policyNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("failure policy %q: want %s", text, strings.Join(policyNames[:], ", "))
	}
	*p = FailurePolicy(i)
	return nil
}

// Route is the route of the requests whose path it matches: by Path or, if that is empty, by
// Prefix. A route with neither matches no request.
type Route struct {
	Name    string // property xds.route_name
	Path    string // the whole path, without the query
	Prefix  string // a prefix of the path
	Cluster string // a name in Config.Clusters
	// Timeout is the time for the upstream's whole response, from the end of the request on.
	// Afterwards the client gets 504, or a reset if it has got the response's headers already.
	// 0 is Envoy's default of 15 s, a negative value is no timeout.
	Timeout time.Duration
	// Metadata is the route's filter_metadata: fields by namespace, with the types of
	// encoding/json as values.
	Metadata map[string]map[string]any
}

// Cluster is an upstream: see Handler and URL.
type Cluster struct {
	base    string
	handler http.Handler
}

// Handler returns a cluster that h serves in this process, without a network. A handler that
// panics with http.ErrAbortHandler resets the connection.
func Handler(h http.Handler) Cluster { return Cluster{handler: h} }

// URL returns a cluster at "http://host:port". If no server listens there, requests get 503, as
// in Envoy.
func URL(base string) Cluster { return Cluster{base: base} }

// completeConfig is a valid Config with the defaults filled in.
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
