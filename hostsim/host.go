package hostsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/metrics"
	"cloakroom/hostsim/internal/shared"
	"cloakroom/hostsim/internal/upstream"
)

// Host runs a chain of plugins on its workers and proxies requests through it.
type Host struct {
	cfg      Config
	log      *logbook.Book
	runtime  wazero.Runtime
	plugins  []*plugin
	workers  []*worker
	clusters map[string]*upstream.Cluster
	shared   *shared.Data
	queues   *shared.Queues
	metrics  *metrics.Store
	faults   atomic.Pointer[fault.Plan]
	next     atomic.Uint64 // the worker of the next request

	lastStream atomic.Uint64
	running    sync.WaitGroup // callouts and requests to upstreams
}

// worker is one thread of Envoy's: its lock is held whenever one of its VMs runs.
type worker struct {
	host    *Host
	index   int // -1: on trial
	mu      sync.Mutex
	vms     map[string]*vm // by plugin.vmKey
	handles []*handle      // in the order of Config.Plugins
	streams map[*stream]struct{}
}

func (h *Host) newWorker(index int) *worker {
	return &worker{host: h, index: index, vms: map[string]*vm{}, streams: map[*stream]struct{}{}}
}

// do runs f with the worker's lock.
func (w *worker) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// load starts and configures all plugins.
func (w *worker) load(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.host.plugins {
		h := &handle{worker: w, plugin: p}
		if err := h.load(ctx); err != nil {
			return err
		}
		w.handles = append(w.handles, h)
	}
	return nil
}

// New loads the modules as Envoy does: each is checked and compiled, initialized in
// a base VM, started and configured once on trial, and then started and configured on
// each worker. A module or a configuration that Envoy would refuse is an error that
// holds the plugin's own log lines; see ErrLoad, ErrStart, ErrConfigure and ErrTrap.
func New(ctx context.Context, c Config) (*Host, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, clusters: map[string]*upstream.Cluster{}, metrics: metrics.NewStore()}
	h.log = logbook.New(abi.Level(cfg.LogLevel), cfg.logSink())
	h.shared, h.queues = shared.NewData(), shared.NewQueues()
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

// logged is the log so far, for an error message.
func (h *Host) logged() string {
	if text := h.log.Text(); text != "" {
		return "; the log:" + text
	}
	return ""
}

func (h *Host) start(ctx context.Context) error {
	for name, c := range h.cfg.Clusters {
		opened, err := upstream.Open(name, c.base, c.handler, h.cfg.Clock)
		if err != nil {
			return err
		}
		h.clusters[name] = opened
	}
	if err := h.compile(ctx); err != nil {
		return err
	}
	bases := map[string]bool{}
	for _, p := range h.plugins {
		if err := h.try(ctx, p, !bases[p.vmKey]); err != nil {
			return err
		}
		bases[p.vmKey] = true
	}
	for i := range h.cfg.Workers {
		w := h.newWorker(i)
		if err := w.load(ctx); err != nil {
			return err
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

// try initializes the module in a base VM, if it is the first of its kind, and runs
// the plugin in a canary.
func (h *Host) try(ctx context.Context, p *plugin, first bool) error {
	w := h.newWorker(-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if first {
		base, err := w.newVM(ctx, p)
		if err != nil {
			return err
		}
		base.discard(ctx)
	}
	canary := &handle{worker: w, plugin: p}
	if err := canary.load(ctx); err != nil {
		return err
	}
	canary.vm.discard(ctx)
	return nil
}

// compile makes the runtime with all host modules and compiles the guests.
func (h *Host) compile(ctx context.Context) error {
	cache, err := compilationCache(h.cfg.CacheDir)
	if err != nil {
		return err
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(cache).WithMemoryLimitPages(memoryLimitPages).
		WithCloseOnContextDone(h.cfg.CallLimit > 0))
	for _, p := range h.cfg.Plugins {
		module, err := h.runtime.CompileModule(ctx, p.Wasm)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLoad, err)
		}
		if err := errors.Join(checkABI(module), checkImports(module, h.cfg.OldWASI)); err != nil {
			return err
		}
		h.plugins = append(h.plugins, &plugin{p, module, vmKeyOf(p)})
	}
	return instantiateHost(ctx, h.runtime)
}

// newVM makes a VM for the worker and initializes it. The worker's lock is held.
func (w *worker) newVM(ctx context.Context, p *plugin) (*vm, error) {
	h := w.host
	v := &vm{host: h, worker: w, id: p.VMID, env: p.Env, contexts: map[uint32]*guestContext{},
		metrics: metrics.NewTable(h.metrics)}
	v.ctx = context.WithValue(context.WithoutCancel(ctx), vmKey{}, v)
	module, err := h.runtime.InstantiateModule(v.ctx, p.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLoad, err)
	}
	v.module, v.mem = module, memory{module.Memory()}
	if h.cfg.CallLimit > 0 {
		v.watchdog.watch(h.cfg.CallLimit, func() { _ = module.CloseWithExitCode(v.ctx, exitOverdue) })
	}
	if v.exports, err = findExports(module); err != nil {
		return nil, err
	}
	return v, v.initialize()
}

// pick chooses the worker of a new request.
func (h *Host) pick(r *http.Request) *worker {
	if h.cfg.Balance != nil {
		return h.workers[h.cfg.Balance(r)]
	}
	return h.workers[h.next.Add(1)%uint64(len(h.workers))]
}

func (h *Host) now() time.Time { return h.cfg.Clock.Now() }

// Logs gives the lines so far, the last 10,000 at least: the guest's, and the host's
// about it.
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

// SetFaults changes what is to go wrong from now on; the zero value ends all of it.
func (h *Host) SetFaults(f Faults) error {
	faults := make([]fault.Fault, len(f.Faults))
	for i, x := range f.Faults {
		faults[i] = fault.Fault(x)
	}
	plan, err := fault.NewPlan(f.Seed, faults, isHostCall)
	if err == nil {
		h.faults.Store(plan)
	}
	return err
}

// Failed gives the trap that ended a VM which has not been replaced, or nil.
func (h *Host) Failed() error {
	for _, w := range h.workers {
		for _, p := range w.handles {
			var err error
			w.do(func() { err = p.vm.failed })
			if err != nil && !errors.Is(err, errClosed) {
				return err
			}
		}
	}
	return nil
}

// stop ends the open streams, then the VMs.
func (w *worker) stop() {
	for s := range w.streams {
		s.resetStream()
		s.end()
	}
	for _, v := range w.vms {
		v.stop()
	}
}

// Close ends the VMs, callouts and requests under way, and the clusters. Nothing
// may be served afterwards.
func (h *Host) Close(ctx context.Context) error {
	for _, w := range h.workers {
		w.do(w.stop)
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

var caches struct {
	sync.Mutex
	byDir map[string]wazero.CompilationCache
}

// compilationCache gives the cache that all hosts of this process share, by
// directory; it lives as long as the process.
func compilationCache(dir string) (wazero.CompilationCache, error) {
	caches.Lock()
	defer caches.Unlock()
	if c := caches.byDir[dir]; c != nil {
		return c, nil
	}
	c := wazero.NewCompilationCache()
	if dir != "" {
		var err error
		if c, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, fmt.Errorf("hostsim: Config.CacheDir: %w", err)
		}
	}
	if caches.byDir == nil {
		caches.byDir = map[string]wazero.CompilationCache{}
	}
	caches.byDir[dir] = c
	return c, nil
}
