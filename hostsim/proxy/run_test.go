package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/probe"
)

// running is a proxy with its output.
type running struct {
	probe.Output
	dir        string
	url, admin string
}

// start runs a proxy with a setup, and the probe as probe.wasm in the same folder.
func start(t *testing.T, setup string, change func(*Options)) *running {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "upstream, x-new %q", r.Header.Get("X-New"))
	}))
	t.Cleanup(upstream.Close)
	wasm, err := probe.Module()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{dir: t.TempDir()}
	write(t, filepath.Join(r.dir, "probe.wasm"), string(wasm))
	file := filepath.Join(r.dir, "sim.yaml")
	write(t, file, strings.ReplaceAll(setup, "UPSTREAM", upstream.URL))
	o := Options{
		Setup: func() (Setup, error) { return ReadSetup(file) }, Files: []string{file},
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", LogLevel: hostsim.Info, Env: noEnv, Log: r,
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
	})
	r.url = r.WaitFor(t, `ready: (http://\S+)/`)
	r.admin = r.WaitFor(t, `admin: (http://\S+)`)
	return r
}

func get(t *testing.T, client *http.Client, url string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

const twoProbes = `
plugins:
- {wasm: probe.wasm, configuration: "as: one"}
- {wasm: probe.wasm, configuration: "as: two"}
clusters: {upstream: UPSTREAM}
`

// TestRun tests a chain, a trace, metrics, and HTTP/2.
func TestRun(t *testing.T) {
	r := start(t, twoProbes, func(o *Options) { o.Trace = true })
	status, body := get(t, http.DefaultClient, r.url, "one-probe-request-headers: set req x-new 1; metric counter my.metric 3",
		"two-probe-request-headers: get req x-new; metric gauge other 5; metric histogram h 1")
	if status != 200 || body != `upstream, x-new "1"` {
		t.Errorf("got %d %s", status, body)
	}
	for _, want := range []string{
		"wasm info: two request-headers: get req x-new -> 1\n",
		"trace:   proxy_replace_header_map_value(request headers, \"x-new\", \"1\") = ok\n",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("no %q in:\n%s", want, r.String())
		}
	}
	_, metrics := get(t, http.DefaultClient, r.admin)
	for _, want := range []string{"# TYPE my_metric counter\nmy_metric 3\n", "# TYPE other gauge\nother 5\n", "h_count 1\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in:\n%s", want, metrics)
		}
	}
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Transport{Protocols: protocols}
	defer h2.CloseIdleConnections()
	if status, body := get(t, &http.Client{Transport: h2}, r.url, "one-probe-request-headers: set req x-new 2"); status != 200 || body != `upstream, x-new "2"` {
		t.Errorf("HTTP/2: got %d %s", status, body)
	}
	if want := `:method: "GET"`; !strings.Contains(r.String(), want) {
		t.Errorf("no %s in the trace", want)
	}
}

// writerFunc is an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestReload changes the files of a running proxy: a valid change is loaded; for an invalid one
// the error is logged, and the proxy keeps its plugins. The first change happens during the
// first load, after that has read the file.
func TestReload(t *testing.T) {
	var changed sync.Once
	r := start(t, "plugins: [{wasm: probe.wasm, configuration_file: c.txt}]\nclusters: {upstream: UPSTREAM}\n", func(o *Options) {
		file := filepath.Join(filepath.Dir(o.Files[0]), "c.txt")
		write(t, file, "configure: say first")
		log := o.Log
		o.Log = writerFunc(func(b []byte) (int, error) {
			if bytes.Contains(b, []byte("first -> first")) {
				changed.Do(func() { write(t, file, "configure: say second configuration") })
			}
			return log.Write(b)
		})
	})
	r.WaitFor(t, "second configuration\n(.*\n)*reloaded")
	wasm := filepath.Join(r.dir, "probe.wasm")
	write(t, wasm, "no wasm any more")
	r.WaitFor(t, "not reloaded: hostsim: the module cannot be loaded: .*invalid magic number")
	if status, _ := get(t, http.DefaultClient, r.url); status != 200 {
		t.Errorf("with a bad file: got %d, want 200 as before", status)
	}
	if err := os.Remove(wasm); err != nil {
		t.Fatal(err)
	}
	r.WaitFor(t, "not reloaded: the plugin: open .*probe.wasm")
	good, err := probe.Module()
	if err != nil {
		t.Fatal(err)
	}
	write(t, wasm, string(good))
	r.WaitFor(t, "(?s)not reloaded: the plugin.*\nreloaded")
}

// A trap is logged in one line and the proxy continues. The faults are in a file of their own.
func TestTrapAndFaults(t *testing.T) {
	r := start(t, "plugins: [{wasm: probe.wasm, failure_policy: FAIL_RELOAD, reload_backoff: 1ms}]\nclusters: {upstream: UPSTREAM}\nfaults: faults.yaml\n", func(o *Options) {
		write(t, filepath.Join(filepath.Dir(o.Files[0]), "faults.yaml"), "faults: [{on: proxy_on_request_headers, do: trap, nth: 2}]")
	})
	for i, want := range []int{200, 503} {
		if status, _ := get(t, http.DefaultClient, r.url); status != want {
			t.Errorf("request %d: got %d, want %d", i+1, status, want)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) { // the backoff of the reload
		if status, _ := get(t, http.DefaultClient, r.url); status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("got %d after the trap for 30 s, want 200", status)
		}
	}
	if n := strings.Count(r.String(), "wasm critical: the VM failed: a trap by Config.Faults\n"); n != 1 {
		t.Errorf("the trap is logged %d times in:\n%s", n, r.String())
	}
}
