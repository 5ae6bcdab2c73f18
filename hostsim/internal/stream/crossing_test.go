package stream

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/clock"
	"cloakroom/hostsim/internal/fault"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/hostcall"
	"cloakroom/hostsim/internal/logbook"
	"cloakroom/hostsim/internal/metrics"
)

// noop compiles a plugin that does nothing.
func noop(b *testing.B) []byte {
	b.Helper()
	file := filepath.Join(b.TempDir(), "noop.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "cloakroom/hostsim/testdata/noop")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}

// load returns a worker that runs the plugin.
func load(b *testing.B, wasm []byte) *Worker {
	b.Helper()
	log, faults, running := logbook.New(abi.Critical, nil), &atomic.Pointer[fault.Plan]{}, &sync.WaitGroup{}
	rt, err := guest.New(b.Context(), guest.Options{Clock: clock.System{}, Log: log, Metrics: metrics.NewStore(), Faults: faults})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close(b.Context()) })
	plugins := []*guest.Plugin{{Wasm: wasm}}
	calls := &hostcall.Host{Clock: clock.System{}, Log: log, Faults: faults, Running: running}
	if err := rt.Load(b.Context(), plugins, calls.Modules(false)); err != nil {
		b.Fatal(err)
	}
	w := NewWorker(&Proxy{Clock: clock.System{}, Running: running}, rt.NewWorker(0))
	if err := w.Load(b.Context(), plugins); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkCrossing measures the host alone: the six calls of one request into a plugin
// that does nothing, with its context and without HTTP.
func BenchmarkCrossing(b *testing.B) {
	w := load(b, noop(b))
	w.Mu.Lock()
	defer w.Mu.Unlock()
	v, root := w.Instances[0].VM, w.Instances[0].Root
	request := httptest.NewRequest("GET", "/", nil)
	for b.Loop() {
		s := newStream(w, request)
		f := s.filters[0]
		f.guest = v.NewContext(root, f)
		id := uint64(f.guest.ID)
		v.Callback(f.guest, v.Exports.ContextCreate, id, uint64(root.ID))
		v.Callback(f.guest, v.Exports.RequestHeaders, id, 5, 1)
		v.Callback(f.guest, v.Exports.ResponseHeaders, id, 5, 1)
		s.end() // log, done, delete
	}
	if v.Failed != nil {
		b.Fatal(v.Failed)
	}
}
