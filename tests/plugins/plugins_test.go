// Package plugins runs third-party plugins, unchanged, in hostsim and in Envoy, and compares what
// clients and upstreams get.
package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// plugin is a third-party plugin.
type plugin struct {
	name     string
	config   map[string]any
	calls    []string // clusters of its callouts; all are the upstream here
	requests []request
}

type request struct {
	method, target, body string
	header               [2]string
	want                 int // the status, in both hosts
}

func get(target string, want int) request { return request{method: "GET", target: target, want: want} }

// coraza is the OWASP Coraza web application firewall, from the Go registry.
var coraza = plugin{
	name: "coraza-proxy-wasm",
	config: map[string]any{
		"directives_map": map[string]any{"rules": []any{
			"SecRuleEngine On", "SecRequestBodyAccess On", "SecResponseBodyAccess On",
			`SecRule REQUEST_URI "@streq /admin" "id:101,phase:1,t:lowercase,deny"`,
			`SecRule REQUEST_HEADERS:User-Agent "@contains scanner" "id:102,phase:1,deny,status:429"`,
			`SecRule ARGS "@rx <script" "id:103,phase:2,t:lowercase,deny"`,
			`SecRule REQUEST_BODY "@rx maliciouspayload" "id:104,phase:2,t:lowercase,deny"`,
			`SecRule RESPONSE_HEADERS:X-Leak "@streq yes" "id:105,phase:3,deny"`,
		}},
		"default_directives": "rules",
	},
	requests: []request{
		get("/", 200),
		get("/page?q=harmless", 200),
		{"POST", "/form", "a=harmless", [2]string{"Content-Type", "application/x-www-form-urlencoded"}, 200},
		get("/admin", 403),
		{"GET", "/", "", [2]string{"User-Agent", "a scanner"}, 429},
		get("/page?q=%3CScript%3Ealert(1)", 403),
		{"POST", "/form", "x=maliciouspayload", [2]string{"Content-Type", "application/x-www-form-urlencoded"}, 403},
		get("/leak", 403),
		get("/", 200),
	},
}

// examples are the examples in the Rust SDK's crate.
var examples = []plugin{
	{name: "http_headers", requests: []request{get("/hello", 200), get("/", 200)}},
	{name: "http_body", requests: []request{get("/", 200), get("/secret", 200), {"POST", "/secret", "x", [2]string{}, 200}}},
	{name: "http_config", config: map[string]any{"a": "b"}, requests: []request{get("/", 200)}},
	{name: "http_auth_random", calls: []string{"httpbin"}, requests: []request{get("/", 200), get("/", 403), get("/", 200), get("/", 403)}},
}

func TestCoraza(t *testing.T) {
	wasm := buildGo(t, "coraza")
	compare(t, wasm, coraza)
	report(t, "plugins, Go: coraza-proxy-wasm: the same in cloakroom sim and in Envoy "+testenv.Envoy140)
	t.Run("older hosts do not load it", func(t *testing.T) {
		text, err := os.ReadFile(wasm)
		if err != nil {
			t.Fatal(err)
		}
		const missing = "fd_filestat_set_size"
		_, err = hostsim.New(t.Context(), hostsim.Config{Plugins: []hostsim.Plugin{{Wasm: text}}, OldWASI: true, CacheDir: cacheDir(t)})
		if !errors.Is(err, hostsim.ErrLoad) || !strings.Contains(err.Error(), "wasi_snapshot_preview1."+missing) {
			t.Errorf("hostsim, 18 functions: %v", err)
		}
		if err := refusedByEnvoy136(t, wasm); err == nil || !strings.Contains(err.Error(), "missing import: wasi_snapshot_preview1."+missing) {
			t.Errorf("Envoy %s: %v", testenv.Envoy136, err)
		}
	})
}

func TestRustExamples(t *testing.T) {
	folder, err := buildExamples(t)
	if errors.Is(err, errNoRust) {
		report(t, "plugins, Rust: left out: "+err.Error())
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range examples {
		t.Run(p.name, func(t *testing.T) { compare(t, filepath.Join(folder, p.name+".wasm"), p) })
		names = append(names, p.name)
	}
	report(t, "plugins, Rust: "+strings.Join(names, ", ")+": the same in cloakroom sim and in Envoy "+testenv.Envoy140)
}

// report leaves a line for `+"`make test`"+` to print.
func report(t *testing.T, line string) {
	t.Helper()
	if t.Failed() {
		return
	}
	if err := testenv.Summarize(t.Name(), line); err != nil {
		t.Fatal(err)
	}
}

// compare sends the plugin's requests through both hosts and compares the results.
func compare(t *testing.T, wasm string, p plugin) {
	app := &upstream{}
	server := httptest.NewServer(app)
	defer server.Close()
	hosts := []struct{ name, base string }{
		{"envoy " + testenv.Envoy140, startEnvoy(t, wasm, p, server)},
		{"cloakroom sim", startSim(t, wasm, p, server)},
	}
	for i, r := range p.requests {
		var seen []string
		for _, h := range hosts {
			seen = append(seen, app.observe(t, h.base, i, r))
		}
		if seen[0] != seen[1] {
			t.Errorf("request %d, %s %s: in %s\n%s\nin %s\n%s", i+1, r.method, r.target, hosts[0].name, seen[0], hosts[1].name, seen[1])
		}
		if want := fmt.Sprintf("status %d\n", r.want); !strings.HasPrefix(seen[0], want) {
			t.Errorf("request %d, %s %s: %swant %s", i+1, r.method, r.target, seen[0], want)
		}
	}
}

// upstream records the requests that reach it.
type upstream struct {
	mu     sync.Mutex
	seen   string
	number int // of the current request
}

// hidden are the headers that differ between hosts by design, or from one request to the next.
var hidden = []string{
	"Date", "Server", "X-Request-Id", "X-Forwarded-Proto", "X-Envoy-Upstream-Service-Time", "X-Envoy-Expected-Rq-Timeout-Ms",
	"Content-Length", "Accept-Encoding", "X-Envoy-Internal", "X-Forwarded-For",
}

func headers(h http.Header) string {
	var lines []string
	for name, values := range h {
		if !slices.Contains(hidden, name) {
			lines = append(lines, name+": "+strings.Join(values, " | "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the filter rejected the body; the client does not wait
	}
	u.mu.Lock()
	u.seen += fmt.Sprintf("\n%s %s\n%s\n%s", r.Method, r.RequestURI, headers(r.Header), body)
	number := u.number
	u.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/bytes/1": // the callout of http_auth_random, which admits on even bytes
		_, _ = w.Write([]byte{byte('0' + number%2)})
		return
	case "/leak":
		w.Header().Set("X-Leak", "yes")
	case "/secret":
		fmt.Fprint(w, "a secret ")
	}
	fmt.Fprint(w, "from the upstream")
}

// observe sends a request and returns all that client and upstream got of it.
func (u *upstream) observe(t *testing.T, base string, number int, r request) string {
	t.Helper()
	u.mu.Lock()
	u.seen, u.number = "", number
	u.mu.Unlock()
	message, err := http.NewRequest(r.method, base+r.target, bytes.NewReader([]byte(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	if r.header[0] != "" {
		message.Header.Set(r.header[0], r.header[1])
	}
	response, err := http.DefaultTransport.RoundTrip(message)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return fmt.Sprintf("status %d\n%s\n%s\nthe upstream saw: %s", response.StatusCode, headers(response.Header), body, u.seen)
}
