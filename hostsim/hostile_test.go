package hostsim

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/hostcall"
)

// The binary format of WebAssembly 1.0 (section 5), as far as a guest needs it that exports its
// imports.
const (
	i32 = 0x7f
	i64 = 0x7e
)

func section(id byte, content []byte) []byte { return append([]byte{id}, counted(content)...) }

func counted(content []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

// vector returns a list of items, preceded by their number.
func vector(items [][]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
}

func functionType(params, results []api.ValueType) []byte {
	return slices.Concat([]byte{0x60}, counted(params), counted(results))
}

// own is a function that the guest defines.
type own struct {
	name            string
	params, results []api.ValueType
	code            []byte
}

// module returns a module that imports all host calls and exports them under the same names,
// together with functions.
func module(functions ...own) []byte {
	var types, imports, exports, declared, bodies [][]byte
	for module, calls := range new(hostcall.Host).Modules(false) {
		if module == "wasi_unstable" {
			continue // the same functions
		}
		for name, call := range calls {
			params, results := call.Signature()
			index := binary.AppendUvarint(nil, uint64(len(imports)))
			exports = append(exports, slices.Concat(counted([]byte(name)), []byte{0}, index))
			imports = append(imports, slices.Concat(counted([]byte(module)), counted([]byte(name)), []byte{0}, binary.AppendUvarint(nil, uint64(len(types)))))
			types = append(types, functionType(params, results))
		}
	}
	for i, f := range functions {
		exports = append(exports, slices.Concat(counted([]byte(f.name)), []byte{0}, binary.AppendUvarint(nil, uint64(len(imports)+i))))
		declared = append(declared, binary.AppendUvarint(nil, uint64(len(types))))
		types = append(types, functionType(f.params, f.results))
		bodies = append(bodies, counted(slices.Concat([]byte{0}, f.code, []byte{0x0b}))) // no locals … end
	}
	exports = append(exports, slices.Concat(counted([]byte("memory")), []byte{2, 0}))
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector(types)), section(2, vector(imports)), section(3, vector(declared)),
		section(5, []byte{1, 0, 2}), // one memory of two pages at least
		section(7, vector(exports)), section(10, vector(bodies)))
}

// basics returns the functions that every guest has. Its allocator returns the address in the
// first word of memory, and it pauses every request.
func basics(requestHeaders ...byte) []own {
	if requestHeaders == nil {
		requestHeaders = []byte{0x41, 1} // i32.const 1: pause
	}
	return []own{
		{"proxy_abi_version_0_2_1", nil, nil, nil},
		{"proxy_on_memory_allocate", []api.ValueType{i32}, []api.ValueType{i32}, []byte{0x41, 0, 0x28, 2, 0}}, // i32.const 0, i32.load
		{"proxy_on_request_headers", []api.ValueType{i32, i32, i32}, []api.ValueType{i32}, requestHeaders},
	}
}

// start starts a host with an upstream that echoes.
func start(t testing.TB, c Config) *Host {
	t.Helper()
	c.LogLevel = Critical
	c.Routes = []Route{{Prefix: "/", Cluster: "app"}}
	c.Clusters = map[string]Cluster{"app": Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))}
	h, err := New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(context.Background()) })
	return h
}

// numbers are more likely than others to find faults.
var numbers = []uint64{
	0, 1, 2, 3, 4, 7, 8, 16, 64, 200, 403, 1 << 10, 1<<16 - 1, 1 << 16, 1<<17 - 8, 1<<17 - 1, 1 << 17, 1<<17 + 1,
	1 << 20, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 8, 1<<32 - 1,
}

func number(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return r.Uint64() >> r.IntN(64)
	case 1:
		return uint64(r.IntN(1 << 17)) // within the memory
	}
	return numbers[r.IntN(len(numbers))]
}

// abuse makes random host calls with random arguments, in a paused stream or in the root
// context, and counts those that succeed. They may only trap.
func abuse(t testing.TB, h *Host, r *rand.Rand, count int, taken map[string]int) {
	calls := map[string][]api.ValueType{} // the types of their parameters
	for _, module := range new(hostcall.Host).Modules(false) {
		for name, call := range module {
			calls[name], _ = call.Signature()
		}
	}
	names := slices.Sorted(maps.Keys(calls))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer func() {
			if got := recover(); got != nil && got != http.ErrAbortHandler { //nolint:errorlint // a panic is no wrapped error
				t.Errorf("the host panics: %v", got)
			}
		}()
		request := httptest.NewRequestWithContext(ctx, "POST", "/a?b", strings.NewReader("body"))
		request.Header.Set("X-A", "b")
		h.ServeHTTP(httptest.NewRecorder(), request)
	}()
	w := h.workers[0]
	for waiting := false; !waiting; { // until the guest has paused the request
		select {
		case <-served:
			waiting = true // it was refused: only the root context is left
		default:
			w.Do(func() {
				for _, c := range w.Instances[0].VM.Contexts {
					waiting = waiting || c.Filter != nil
				}
			})
		}
	}
	for range count {
		w.Do(func() {
			v := w.Instances[0].VM
			current := w.Instances[0].Root
			for _, c := range v.Contexts {
				if c.Filter != nil && r.IntN(4) > 0 {
					current = c
				}
			}
			for range 4 { // words that may be read as lengths and addresses
				v.Memory.WriteUint32Le(uint32(r.IntN(1<<17-4)), uint32(number(r)))
			}
			v.Memory.WriteUint32Le(0, uint32(number(r))) // what the allocator returns
			name := names[r.IntN(len(names))]
			args := make([]uint64, len(calls[name]))
			for i, kind := range calls[name] {
				if args[i] = number(r); kind == api.ValueTypeI32 {
					args[i] = uint64(uint32(args[i]))
				}
			}
			if name == "proxy_http_call" || name == "poll_oneoff" {
				args[len(args)-2] &= 0xff // a short timeout
			}
			results, err := v.Invoke(current, name, args...)
			if err == nil && len(results) == 1 && results[0] == 0 {
				taken[name]++
			}
			if err != nil && strings.Contains(err.Error(), "runtime error") {
				t.Errorf("%s(%v): the host itself fails: %v", name, args, err)
			}
		})
	}
	cancel()
	select {
	case <-served:
	case <-time.After(20 * time.Second):
		t.Fatal("a request hangs in the host")
	}
}

// TestHostileCalls makes random host calls. CLOAKROOM_SEED repeats a run with the seed that it
// has printed.
func TestHostileCalls(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CLOAKROOM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CLOAKROOM_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	h := start(t, Config{Plugins: []Plugin{{Wasm: module(basics()...)}}})
	taken := map[string]int{} // calls that returned OK, by name
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rare := func() (never []string) {
		for _, name := range []string{
			"proxy_get_header_map_pairs", "proxy_remove_header_map_value", "proxy_set_shared_data", "proxy_define_metric", "proxy_log",
			"proxy_get_buffer_bytes", "proxy_send_local_response", "proxy_continue_stream", "proxy_register_shared_queue", "random_get",
		} {
			if taken[name] == 0 {
				never = append(never, name)
			}
		}
		return never
	}
	const enough, most = 400, 8000 // a rare call succeeds about twice in 400 rounds
	for n := 0; n < enough || (n < most && rare() != nil); n++ {
		abuse(t, h, r, 100, taken)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the host has grown by %d MB", grown>>20)
	}
	if never := rare(); never != nil {
		t.Errorf("%v never succeeded: the calls are refused too early", never)
	}
	if err := h.Failed(); err != nil {
		t.Errorf("the VM failed by a direct host call: %v", err)
	}
}

func FuzzHostileCalls(f *testing.F) {
	h := start(f, Config{Plugins: []Plugin{{Wasm: module(basics()...)}}})
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { abuse(t, h, rand.New(rand.NewPCG(a, b)), 50, map[string]int{}) })
}

// endless is code that never returns; its result is there for the type only.
var endless = []byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0} // loop br 0 end, i32.const 0

// TestEndlessLoop ends the VM of a guest that does not return; the host continues.
func TestEndlessLoop(t *testing.T) {
	h := start(t, Config{Plugins: []Plugin{{Wasm: module(basics(endless...)...)}}, CallLimit: 20 * time.Millisecond})
	for range 2 { // during the call that is ended, and afterwards
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d, want 503", w.Code)
		}
	}
	if err := h.Failed(); !errors.Is(err, ErrTrap) || !strings.Contains(err.Error(), "CallLimit") {
		t.Errorf("got %v, want a trap that names the limit", err)
	}
	if _, err := New(t.Context(), Config{CallLimit: 20 * time.Millisecond, Plugins: []Plugin{{Wasm: module(append(basics(), own{"_initialize", nil, nil, endless[:5]})...)}}}); !errors.Is(err, ErrTrap) {
		t.Errorf("at the start: %v", err)
	}
}

// TestMemoryIsBounded has a guest that grows its memory beyond the limit.
func TestMemoryIsBounded(t *testing.T) {
	grow := []byte{0x41, 0x80, 0x80, 0x01, 0x40, 0, 0x1a, 0x41, 0} // i32.const 16384, memory.grow, drop, i32.const 0: continue
	h := start(t, Config{Plugins: []Plugin{{Wasm: module(basics(grow...)...)}}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusOK || h.Failed() != nil {
		t.Errorf("got %d, %v", w.Code, h.Failed())
	}
	if size := h.workers[0].Instances[0].VM.Memory.Size(); size != 2<<16 {
		t.Errorf("the memory has %d bytes, want it below the limit", size)
	}
}
