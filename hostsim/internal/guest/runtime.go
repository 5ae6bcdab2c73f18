package guest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/metrics"
)

// The reasons of failures, as package hostsim documents them.
var (
	ErrLoad      = errors.New("hostsim: the module cannot be loaded")
	ErrStart     = errors.New("hostsim: the plugin did not start")
	ErrConfigure = errors.New("hostsim: the plugin refused its configuration")
	ErrTrap      = errors.New("hostsim: the guest trapped")
	errClosed    = errors.New("hostsim: the host is closed")
)

// memoryLimitPages is the size of a guest's memory at most, in pages of 64 KiB: 1 GiB, Envoy's
// PROXY_WASM_HOST_MAX_WASM_MEMORY_SIZE_BYTES.
const memoryLimitPages = 16384

// Options configure a runtime.
type Options struct {
	Clock   clock.Clock
	Log     *logbook.Book
	Metrics *metrics.Store
	Faults  *atomic.Pointer[fault.Plan]

	CallLimit   time.Duration     // for one call into a guest; 0 is no limit
	Trace       func(line string) // gets the lines of the trace; nil is no trace
	NameWorkers bool              // the lines begin with the number of the worker
	CacheDir    string            // for compiled modules; "" keeps them in memory
}

// Runtime runs the VMs of one host.
type Runtime struct {
	Options
	wazero wazero.Runtime
}

// New returns a runtime without plugins.
func New(ctx context.Context, o Options) (*Runtime, error) {
	cache, err := compilationCache(o.CacheDir)
	if err != nil {
		return nil, err
	}
	return &Runtime{o, wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(cache).WithMemoryLimitPages(memoryLimitPages).
		WithCloseOnContextDone(o.CallLimit > 0))}, nil
}

// Close frees all VMs.
func (r *Runtime) Close(ctx context.Context) error { return r.wazero.Close(ctx) }

// caches are the compilation caches of this process, by directory.
var caches struct {
	sync.Mutex
	byDir map[string]wazero.CompilationCache
}

// compilationCache returns the cache for a directory, which all runtimes of this process
// share. It is never closed.
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
