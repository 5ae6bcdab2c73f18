package hostsim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
)

// Host runs one plugin on its workers and proxies requests through it.
type Host struct {
	cfg      Config
	log      logbook
	runtime  wazero.Runtime
	workers  []*worker
	clusters map[string]*cluster
	shared   sharedData
	queues   sharedQueues
	metrics  metricStore
	next     atomic.Uint64 // the worker of the next request

	lastStream atomic.Uint64
	running    sync.WaitGroup // callouts and requests to upstreams
}

// worker is one thread of Envoy's: its lock is held whenever its VM runs.
type worker struct {
	mu sync.Mutex
	vm *vm
}

// do runs f with the worker's lock.
func (w *worker) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *worker) queueReady(root, token uint32) {
	w.do(func() {
		if c := w.vm.contexts[root]; c != nil {
			w.vm.enter(c, w.vm.exports.queueReady, uint64(root), uint64(token))
		}
	})
}

// New loads the module as Envoy does: it is checked and compiled, started and
// configured once on trial, and then started and configured on each worker. A
// module or a configuration that Envoy would refuse is an error that holds the
// plugin's own log lines; see ErrLoad, ErrStart, ErrConfigure and ErrTrap.
func New(ctx context.Context, c Config) (*Host, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, clusters: map[string]*cluster{}}
	h.log.level, h.log.sink = cfg.LogLevel, cfg.Log
	h.shared.data = map[string]sharedValue{}
	h.queues.tokens, h.queues.queues = map[[2]string]uint32{}, map[uint32]*sharedQueue{}
	h.metrics.byName = map[string]*metric{}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w%s", err, h.logged()), h.Close(ctx))
	}
	return h, nil
}

// logged is the log so far, for an error message.
func (h *Host) logged() string {
	if text := h.log.text(); text != "" {
		return "; the log:" + text
	}
	return ""
}

func (h *Host) start(ctx context.Context) error {
	for name, c := range h.cfg.Clusters {
		opened, err := c.open(name)
		if err != nil {
			return err
		}
		h.clusters[name] = opened
	}
	module, err := h.compile(ctx)
	if err != nil {
		return err
	}
	canary := &worker{}
	if err := h.startVM(ctx, canary, module); err != nil {
		return err
	}
	canary.do(func() { canary.vm.discard(ctx) })
	for range h.cfg.Workers {
		w := &worker{}
		if err := h.startVM(ctx, w, module); err != nil {
			return err
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

// compile makes the runtime with all host modules and compiles the guest.
func (h *Host) compile(ctx context.Context) (wazero.CompiledModule, error) {
	cache, err := compilationCache(h.cfg.CacheDir)
	if err != nil {
		return nil, err
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(cache).WithMemoryLimitPages(memoryLimitPages).
		WithCloseOnContextDone(h.cfg.CallLimit > 0))
	module, err := h.runtime.CompileModule(ctx, h.cfg.Wasm)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLoad, err)
	}
	if err := errors.Join(checkABI(module), checkImports(module, h.cfg.OldWASI)); err != nil {
		return nil, err
	}
	return module, instantiateHost(ctx, h.runtime)
}

// startVM makes a VM for the worker and runs the start and the configuration.
func (h *Host) startVM(ctx context.Context, w *worker, m wazero.CompiledModule) error {
	v := &vm{host: h, worker: w, contexts: map[uint32]*guestContext{},
		metrics: metricTable{store: &h.metrics, byID: map[uint32]*metric{}}}
	v.ctx = context.WithValue(context.WithoutCancel(ctx), vmKey{}, v)
	module, err := h.runtime.InstantiateModule(v.ctx, m, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLoad, err)
	}
	v.module, v.mem = module, memory{module.Memory()}
	if h.cfg.CallLimit > 0 {
		v.watchdog.watch(h.cfg.CallLimit, func() { _ = module.CloseWithExitCode(v.ctx, exitOverdue) })
	}
	if v.exports, err = findExports(module); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vm = v
	return v.start()
}

// pick chooses the worker of a new request.
func (h *Host) pick() *worker {
	return h.workers[h.next.Add(1)%uint64(len(h.workers))]
}

func (h *Host) now() time.Time { return h.cfg.Now() }

// Logs gives the lines so far, the last 10,000 at least: the guest's, and the host's
// about it.
func (h *Host) Logs() []Entry { return h.log.all() }

// Metrics gives the guest's metrics by Envoy's name for them, wasmcustom.<name>: a
// counter's or a gauge's value, a histogram's number of samples.
func (h *Host) Metrics() map[string]uint64 { return h.metrics.snapshot() }

// Failed gives the trap that ended a VM, or nil. Requests on that VM get 503.
func (h *Host) Failed() error {
	for _, w := range h.workers {
		var err error
		w.do(func() { err = w.vm.failed })
		if err != nil && !errors.Is(err, errClosed) {
			return err
		}
	}
	return nil
}

// Close ends the VMs, callouts and requests under way, and the clusters. Nothing
// may be served afterwards.
func (h *Host) Close(ctx context.Context) error {
	for _, w := range h.workers {
		w.do(func() { w.vm.stop() })
	}
	for _, c := range h.clusters {
		c.close()
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
