package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// trapping builds the filter with what ends its VM on demand, and returns the module's path.
func trapping(t *testing.T) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "plugin", "trap.go"): filepath.Join(root, "tests", "attacks", "testdata", "trap", "trap.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, wasm := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "trap.wasm")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-buildmode=c-shared", "-tags=upstreamgo.headersonly", "-trimpath", "-ldflags=-s -w", "-o", wasm, "./plugin")
	build.Dir, build.Env = root, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return wasm
}

// TestFailedVM ends the VM of a worker under load. With FAIL_RELOAD the worker serves again, with
// FAIL_CLOSED it never does; with either, no request without a session reaches an upstream. The
// new VM does not know the streams that were open: what ends them is the route's
// max_stream_duration.
func TestFailedVM(t *testing.T) {
	wasm := trapping(t)
	for _, policy := range []string{"FAIL_RELOAD", "FAIL_CLOSED"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			envoys(t, func(t *testing.T, version string) {
				var strangers atomic.Int64
				c := filterConfig(serviceConfig(map[string]any{"end_streams": true}))
				c.Wasm, c.Policy, c.MaxStream = wasm, policy, "8s"
				s := newSite(t, version, options{FilterConfig: c, VMFails: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("X-User-Id") != "7" {
						strangers.Add(1)
					}
					if r.Header.Get("Upgrade") != "" {
						socket(w, r)
						return
					}
					fmt.Fprint(w, r.Header.Get("X-User-Id"))
				})})
				key := s.create(`{"_auth_user_id":"7"}`)
				s.cached(key)
				stream := openSocket(t, s.address, key)
				loaded := time.Now()
				var load atomic.Bool
				load.Store(true)
				done := make(chan struct{})
				go func() {
					defer close(done)
					each(4, 4, func(i int) {
						for load.Load() {
							// One in two has no session, and a header that names a user.
							cookie := map[bool]string{true: "Cookie: sessionid=" + key + "\r\n", false: "X-User-Id: 7\r\n"}[i%2 == 0]
							_, _, _, _ = raw(s.address, "GET / HTTP/1.1\r\nHost: site.test\r\nSec-Fetch-Mode: cors\r\nConnection: close\r\n"+cookie+"\r\n")
						}
					})
				}()
				eventually(t, "the VM is older than Envoy's back-off", func() bool { return time.Since(loaded) > 2*time.Second })
				trap := func() (away time.Duration) {
					start := time.Now()
					if status, _ := s.get("/", "X-Trap: 1"); status != 503 {
						t.Errorf("the request that ends the VM: %d, want 503", status)
					}
					if policy == "FAIL_CLOSED" {
						return 0
					}
					eventually(t, "the worker serves again", func() bool {
						status, _ := s.get("/", "Cookie: sessionid="+key)
						return status == 200
					})
					return time.Since(start)
				}
				old := trap()
				if policy == "FAIL_CLOSED" {
					for range 200 {
						if status, _ := s.get("/", "Cookie: sessionid="+key); status != 503 {
							t.Fatalf("a worker without a VM answers %d", status)
						}
					}
				}
				young := trap()
				load.Store(false)
				<-done
				if n := strangers.Load(); n > 0 {
					t.Errorf("%d requests without a session reached the upstream", n)
				}
				if status, body := s.flush(`{"key":"` + key + `"}`); status != 200 {
					t.Fatalf("%d %s", status, body)
				}
				stream.ends(t)
				if policy == "FAIL_RELOAD" {
					note(t, t.Name(), fmt.Sprintf("Envoy %s, a VM that ends under load, FAIL_RELOAD: the worker was away for %s; again at once, for %s", version, old.Round(time.Millisecond), young.Round(time.Millisecond)))
				} else {
					note(t, t.Name(), fmt.Sprintf("Envoy %s, a VM that ends under load, FAIL_CLOSED: 503 until Envoy is started anew", version))
				}
			})
		})
	}
}
