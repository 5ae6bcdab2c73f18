package hostsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/hostcall"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/metrics"
	"cloakroom/hostsim/internal/shared"
	"cloakroom/hostsim/internal/stream"
	"cloakroom/hostsim/internal/upstream"
)

// Host runs a chain of plugins on its workers and proxies requests through it. It is safe for
// concurrent use.
type Host struct {
	cfg      completeConfig
	log      *logbook.Book
	metrics  *metrics.Store
	faults   atomic.Pointer[fault.Plan]
	clusters map[string]*upstream.Cluster
	runtime  *guest.Runtime
	workers  []*stream.Worker
	next     atomic.Uint64  // counts requests, to choose the worker
	running  sync.WaitGroup // callouts and requests to upstreams
	logging  sync.Mutex     // of Config.AccessLog
}

// New loads the plugins as Envoy does: each module is checked, compiled and initialized
// in a base VM; each plugin is started and configured in a canary and then on each
// worker. New returns an error for a module or a configuration that Envoy would refuse;
// it includes the plugin's log lines. See ErrLoad, ErrStart, ErrConfigure and ErrTrap.
func New(ctx context.Context, c Config) (*Host, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, clusters: map[string]*upstream.Cluster{}, metrics: metrics.NewStore()}
	h.log = logbook.New(abi.Level(cfg.LogLevel), cfg.logSink())
	if err := h.SetFaults(cfg.Faults); err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w%s", err, h.logged()), h.Close(ctx))
	}
	return h, nil
}

// logSink returns Config.Log as a function of the ABI's levels, or nil.
func (c *Config) logSink() func(abi.Level, string) {
	if c.Log == nil {
		return nil
	}
	return func(l abi.Level, message string) { c.Log(Level(l), message) }
}

// logged returns the log so far, for an error message.
func (h *Host) logged() string {
	if text := h.log.Text(); text != "" {
		return "; the log:" + text
	}
	return ""
}

// start opens the clusters, tries the plugins and starts the workers.
func (h *Host) start(ctx context.Context) error {
	for name, c := range h.cfg.Clusters {
		opened, err := upstream.Open(name, c.base, c.handler, h.cfg.Clock)
		if err != nil {
			return err
		}
		h.clusters[name] = opened
	}
	var err error
	if h.runtime, err = guest.New(ctx, h.runtimeOptions()); err != nil {
		return err
	}
	plugins := h.cfg.plugins()
	if err := h.runtime.Load(ctx, plugins, h.hostModules()); err != nil {
		return err
	}
	if err := h.runtime.Try(ctx, plugins); err != nil {
		return err
	}
	proxy := &stream.Proxy{
		Clock: h.cfg.Clock, VirtualHost: h.cfg.VirtualHost, Routes: h.cfg.routes, Clusters: h.clusters,
		BufferLimit: h.cfg.BufferLimit, Trailers: h.cfg.Trailers, Running: &h.running, AccessLog: h.accessLog(),
	}
	for i := range h.cfg.Workers {
		w := stream.NewWorker(proxy, h.runtime.NewWorker(i))
		if err := w.Load(ctx, plugins); err != nil {
			return err
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

// accessLog returns Config.AccessLog for streams, or nil.
func (h *Host) accessLog() func(stream.AccessEntry) {
	if h.cfg.AccessLog == nil {
		return nil
	}
	return func(e stream.AccessEntry) {
		h.logging.Lock()
		defer h.logging.Unlock()
		h.cfg.AccessLog(AccessEntry(e))
	}
}

// runtimeOptions returns the options of the runtime.
func (h *Host) runtimeOptions() guest.Options {
	return guest.Options{
		Clock: h.cfg.Clock, Log: h.log, Metrics: h.metrics, Faults: &h.faults,
		CallLimit: h.cfg.CallLimit, Trace: h.cfg.Trace, NameWorkers: h.cfg.Workers > 1, CacheDir: h.cfg.CacheDir,
	}
}

// hostModules returns what guests may import, by module and name.
func (h *Host) hostModules() map[string]map[string]guest.HostCall {
	calls := &hostcall.Host{
		Clock: h.cfg.Clock, Log: h.log, LogLevel: abi.Level(h.cfg.LogLevel), Faults: &h.faults,
		Data: shared.NewData(), Queues: shared.NewQueues(), Clusters: h.clusters,
		CalloutLimit: h.cfg.CalloutLimit, Running: &h.running,
	}
	return calls.Modules(h.cfg.OldWASI)
}

// ServeHTTP proxies one request through the plugins. For a stream that is reset it panics with
// http.ErrAbortHandler, which closes the client's connection.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !stream.Refuse(w, r) {
		h.pick(r).Serve(w, r)
	}
}

// pick returns the worker for a request.
func (h *Host) pick(r *http.Request) *stream.Worker {
	if h.cfg.Balance != nil {
		return h.workers[h.cfg.Balance(r)]
	}
	return h.workers[h.next.Add(1)%uint64(len(h.workers))]
}

// Logs returns the lines that the guests have logged, and the host about them: the last 10,000
// at least.
func (h *Host) Logs() []Entry {
	var out []Entry
	for _, e := range h.log.All() {
		out = append(out, Entry{Level(e.Level), e.Message})
	}
	return out
}

// Metrics returns the guests' metrics by the names that Envoy gives them,
// wasmcustom.<name>.
func (h *Host) Metrics() map[string]Metric {
	out := map[string]Metric{}
	for name, m := range h.metrics.Snapshot() {
		out[name] = Metric{MetricKind(m.Kind), m.Value}
	}
	return out
}

// SetFaults replaces Config.Faults; the zero value ends all faults. It returns an error, and
// changes nothing, if one of the faults is invalid.
func (h *Host) SetFaults(f Faults) error {
	faults := make([]fault.Fault, len(f.Faults))
	for i, one := range f.Faults {
		faults[i] = fault.Fault(one)
	}
	plan, err := fault.NewPlan(f.Seed, faults, hostcall.IsHostCall)
	if err == nil {
		h.faults.Store(plan)
	}
	return err
}

// Failed returns the trap that ended a VM and that no reload followed, or nil.
func (h *Host) Failed() error {
	for _, w := range h.workers {
		if err := w.Failed(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the VMs, the callouts and the requests in flight, and closes the clusters. The
// Host must not serve requests afterwards.
func (h *Host) Close(ctx context.Context) error {
	for _, w := range h.workers {
		w.Stop()
	}
	for _, c := range h.clusters {
		c.Close()
	}
	h.running.Wait()
	if h.runtime == nil {
		return nil
	}
	return h.runtime.Close(ctx)
}
