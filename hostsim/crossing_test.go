package hostsim

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkCrossing is what the host itself costs: one request's six calls into a
// plugin that does nothing, with its context and nothing of HTTP.
func BenchmarkCrossing(b *testing.B) {
	wasm := filepath.Join(b.TempDir(), "noop.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", wasm, "cloakroom/tests/bench/noop")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	text, err := os.ReadFile(wasm)
	if err != nil {
		b.Fatal(err)
	}
	h := start(b, Config{Plugins: []Plugin{{Wasm: text}}})
	w := h.workers[0]
	w.Mu.Lock()
	defer w.Mu.Unlock()
	v, root := w.Instances[0].VM, w.Instances[0].Root
	request := httptest.NewRequest("GET", "/", nil)
	for b.Loop() {
		s := newStream(w, request)
		f := s.filters[0]
		f.guest = v.NewContext(root, f)
		id := uint64(f.guest.Id)
		v.Callback(f.guest, v.Exports.ContextCreate, id, uint64(root.Id))
		v.Callback(f.guest, v.Exports.RequestHeaders, id, 5, 1)
		v.Callback(f.guest, v.Exports.ResponseHeaders, id, 5, 1)
		s.end() // log, done, delete
	}
	if v.Failed != nil {
		b.Fatal(v.Failed)
	}
}
